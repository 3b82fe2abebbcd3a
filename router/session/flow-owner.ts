import { Subscriber } from '../subscriber.js';
import type { SubscriptionOptions } from '../subscription-options.js';
import type { SessionContext } from './session-context.js';
import type { SessionFlow } from './session-store.js';
import type { SessionDropReason } from './sessions-stats.js';
import { weightOfAwaiting } from './weight.js';

/** `bits`: the last packet id in the low 16, and above it flags of the session. */
export const lastPacketIdMask = 0xffff;
const endsWithConnectionBit = 1 << 16;
export const resumedBit = 1 << 17;
const alarmedBit = 1 << 18;
export const endedBit = 1 << 19;
/** Not all messages in flight were repeated since the client reconnected. */
export const repeatingBit = 1 << 20;

/**
 * The part of a session with its messages: the flow, which exists only while there are messages, the packet ids, the
 * alarm of its queue, and the QoS 2 packet ids of its client. Methods are `protected` and not `#`, because a class with
 * #methods puts a mark of 8 bytes on each of its objects.
 */
export abstract class FlowOwner extends Subscriber {
  override readonly clientId: string;
  protected flow: SessionFlow | undefined = undefined;
  protected bits: number;

  constructor(clientId: string, endsWithConnection: boolean) {
    super();
    this.clientId = clientId;
    this.bits = endsWithConnection ? endsWithConnectionBit : 0;
  }

  /** On the prototype, see sessionClass: a field would take 8 bytes of each session. @internal */
  abstract get sessions(): SessionContext;

  /** The session ends with its connection. */
  get endsWithConnection(): boolean {
    return this.is(endsWithConnectionBit);
  }

  /** Set by the registry, which counts both kinds. */
  set endsWithConnection(ends: boolean) {
    if (ends) this.bits |= endsWithConnectionBit;
    else this.bits &= ~endsWithConnectionBit;
  }

  /** Answers to its client wait until what they confirm is stored. */
  get storesFirst(): boolean {
    return this.sessions.store.isDurable && (this.bits & (endsWithConnectionBit | endedBit)) === 0;
  }

  /** Calls back once all changes of this session are stored; at once where the session is in memory alone. */
  whenStored(then: () => void): void {
    if (this.storesFirst) this.sessions.store.whenStored(then);
    else then();
  }

  override subscribed(filter: string, options: SubscriptionOptions): void {
    if (this.storesFirst) this.sessions.store.subscribed(this.clientId, filter, options);
  }

  override unsubscribed(filter: string): void {
    if (this.storesFirst) this.sessions.store.unsubscribed(this.clientId, filter);
  }

  /** The session has no messages. */
  get idle(): boolean {
    return this.flow === undefined;
  }

  /** Messages in flight, waiting, and awaiting PUBREL. */
  get pending(): { inflight: number; queued: number; awaitingRel: number } {
    const { flow } = this;
    return {
      inflight: flow?.inflight ?? 0,
      queued: flow?.queued ?? 0,
      awaitingRel: flow?.awaiting ?? 0,
    };
  }

  /** PUBLISH at QoS 2 from the client. @returns whether to publish it. Its packet id is remembered until `release` */
  noteIncoming(packetId: number): 'new' | 'repeated' | 'too-many' {
    const flow = this.flowToAddTo();
    if (flow.isAwaiting(packetId)) return 'repeated';
    const { sessions } = this;
    if (flow.awaiting >= sessions.limits.maxAwaitingRel || !sessions.hasBytesFor(weightOfAwaiting)) {
      sessions.counters.awaitingRelRefused++;
      this.giveBackFlow();
      return 'too-many';
    }
    flow.beginAwaiting(packetId, sessions.nowSec);
    return 'new';
  }

  /** PUBREL from the client. @returns whether it was expected; PUBCOMP is sent in any case */
  release(packetId: number): boolean {
    const was = this.flow?.endAwaiting(packetId) ?? false;
    this.giveBackFlow();
    return was;
  }

  protected is(bit: number): boolean {
    return (this.bits & bit) !== 0;
  }

  protected flowToAddTo(): SessionFlow {
    this.flow ??= this.sessions.createFlow(this);
    return this.flow;
  }

  protected giveBackFlow(): void {
    const { flow } = this;
    if (flow === undefined || !flow.empty) return;
    this.flow = undefined;
    this.sessions.removeFlow(this, flow);
  }

  protected drop(reason: SessionDropReason): 'dropped' {
    this.sessions.countDropped(reason, 1);
    return 'dropped';
  }

  /** Packet ids go round, so that a late acknowledgement does not hit a new message. Fewer than 65,535 are in use. */
  protected freePacketId(flow: SessionFlow): number {
    let packetId = this.bits & lastPacketIdMask;
    do packetId = (packetId % 0xffff) + 1;
    while (flow.entry(packetId) !== undefined);
    this.bits = (this.bits & ~lastPacketIdMask) | packetId;
    return packetId;
  }

  protected noteQueueGrown({ queued }: SessionFlow): void {
    if (this.is(alarmedBit) || queued < this.sessions.limits.mqueueHigh) return;
    this.bits |= alarmedBit;
    this.sessions.alarm(this, true);
  }

  protected noteQueueShrunk(): void {
    if (this.is(alarmedBit) && (this.flow?.queued ?? 0) <= this.sessions.limits.mqueueLow) this.endAlarm();
  }

  protected endAlarm(): void {
    if (!this.is(alarmedBit)) return;
    this.bits &= ~alarmedBit;
    this.sessions.alarm(this, false);
  }
}
