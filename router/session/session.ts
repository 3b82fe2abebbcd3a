import type { Message, Qos } from '../message.js';
import { type Delivery, Subscriber } from '../subscriber.js';
import { InflightEntry } from './inflight-entry.js';
import { hasRoom, makeRoom } from './mqueue-policy.js';
import { markUnsent, repeatOverdue, repeatUnsent } from './retransmission.js';
import type { SessionConnection } from './session-connection.js';
import type { SessionContext } from './session-context.js';
import { type FlowState, takeFlow } from './session-state.js';
import type { SessionFlow } from './session-store.js';
import type { SessionDropReason } from './sessions-stats.js';
import { weightOf, weightOfAwaiting } from './weight.js';

/** `#bits`: the packet id given out last in the low 16, and above it */
const lastPacketIdMask = 0xffff;
const cleanBit = 1 << 16;
const resumedBit = 1 << 17;
const alarmedBit = 1 << 18;
const endedBit = 1 << 19;
/** Not all messages in flight have been repeated since the client came back. */
const repeatingBit = 1 << 20;

/**
 * The MQTT state of one client id: a subscriber that may outlive its connection. Messages at QoS 1 and 2 go into the
 * inflight window and out, or wait in the mqueue behind it; all of that is in the flow, which exists only while something
 * is under way. An idle session is this object (64 bytes) and its place in the registry. Methods are `private` and not `#`,
 * because a class with #methods puts a mark of 8 bytes on each of its objects.
 *
 *     deliver -> connection          QoS 0
 *             -> window -> connection, until acknowledged
 *             -> mqueue -> window    no room in it, the socket takes no more, or the client is away
 *
 * The window goes out at the pace of the socket: while the connection is congested nothing is sent, and `goOn` sends
 * on. So a connection never has more of a session's waiting in it than one turn has brought.
 */
export abstract class Session extends Subscriber {
  readonly clientId: string;
  /** Undefined while the client is away; the registry's to set. */
  connection: SessionConnection | undefined = undefined;
  #flow: SessionFlow | undefined = undefined;
  #bits: number;

  constructor(clientId: string, clean: boolean) {
    super();
    this.clientId = clientId;
    this.#bits = clean ? cleanBit : 0;
  }

  /** On the prototype, see Sessions: as a field it would be 8 bytes of each session. */
  protected abstract get sessions(): SessionContext;

  /** It ends with its connection. */
  get clean(): boolean {
    return this.is(cleanBit);
  }

  /** Whether a message at QoS 1 or 2 would go out at once. */
  get hasRoom(): boolean {
    if (!this.takesMore) return false;
    const flow = this.#flow;
    return flow === undefined || (flow.queued === 0 && flow.inflight < this.sessions.limits.maxInflight);
  }

  /** Whether the mqueue takes this message without dropping another. */
  queueHasRoomFor(message: Message): boolean {
    return !this.is(endedBit) && hasRoom(this.#flow, weightOf(message), this.sessions);
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#flow === undefined;
  }

  /** Messages in flight, waiting, and awaiting PUBREL. */
  get pending(): { inflight: number; queued: number; awaitingRel: number } {
    const flow = this.#flow;
    return {
      inflight: flow?.inflight ?? 0,
      queued: flow?.queued ?? 0,
      awaitingRel: flow?.awaiting ?? 0,
    };
  }

  override deliver(message: Message, qos: Qos, retained: boolean): Delivery {
    if (this.is(endedBit)) return 'dropped';
    if (qos === 0) return this.deliverQos0(message, retained);
    if (!this.hasRoom) return this.enqueue(message.kept(), qos, retained);
    const kept = message.kept();
    if (!this.sessions.hasBytesFor(weightOf(kept))) return this.drop('sessions-bytes');
    this.send(kept, qos, retained);
    // The connection may have been cut by that very message.
    if (this.connection !== undefined) return 'sent';
    return this.is(endedBit) ? 'dropped' : 'buffered';
  }

  /** After CONNACK has been written: repeats what is in flight, in order [MQTT-4.4.0-1], then goes on with the mqueue. */
  resume(): void {
    this.#bits |= resumedBit;
    const flow = this.#flow;
    if (flow === undefined) return;
    flow.resumeAwaiting(this.sessions.nowSec);
    if (flow.inflight > 0) this.#bits |= repeatingBit;
    this.goOn();
  }

  /** The connection takes more again. */
  goOn(): void {
    const flow = this.#flow;
    if (flow === undefined || !this.is(resumedBit)) return;
    if (this.is(repeatingBit)) {
      if (!repeatUnsent(this, flow, this.sessions)) return;
      this.#bits &= ~repeatingBit;
    }
    this.fill();
  }

  /** PUBACK. @returns whether a message was waiting for it */
  acknowledge(packetId: number): boolean {
    const entry = this.#flow?.entry(packetId);
    if (entry === undefined || entry.qos !== 1) return false;
    this.finish(entry);
    return true;
  }

  /**
   * PUBREC. @returns whether PUBREL is to be sent: also where nothing is known of the packet id, as the client could
   * never let go of it otherwise; not where it is that of a message at QoS 1
   */
  received(packetId: number): boolean {
    const entry = this.#flow?.entry(packetId);
    if (entry === undefined) return true;
    if (entry.qos !== 2) return false;
    if (entry.message !== undefined) this.#flow!.release(entry);
    entry.sentAtSec = this.sessions.nowSec;
    return true;
  }

  /** PUBCOMP. @returns whether a PUBREL was waiting for it */
  completed(packetId: number): boolean {
    const entry = this.#flow?.entry(packetId);
    if (entry === undefined || entry.qos !== 2 || entry.message !== undefined) return false;
    this.finish(entry);
    return true;
  }

  /** The acknowledgement that has to come next for a packet id that is in flight; another acknowledgement of it is out of turn. */
  expected(packetId: number): 'PUBACK' | 'PUBREC' | 'PUBCOMP' | undefined {
    const entry = this.#flow?.entry(packetId);
    if (entry === undefined) return undefined;
    return entry.qos === 1 ? 'PUBACK' : entry.message === undefined ? 'PUBCOMP' : 'PUBREC';
  }

  /** PUBLISH at QoS 2 from the client: whether it is to be published. It is remembered until `release`. */
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

  /** PUBREL from the client. @returns whether it was awaited; PUBCOMP is due either way */
  release(packetId: number): boolean {
    const was = this.#flow?.endAwaiting(packetId) ?? false;
    this.giveBackFlow();
    return was;
  }

  /** The client is away from now on. @internal */
  pause(): void {
    this.#bits &= ~(resumedBit | repeatingBit);
    const flow = this.#flow;
    if (flow === undefined) return;
    flow.pauseAwaiting(this.sessions.nowSec);
    markUnsent(flow);
  }

  /** A flow from before the process was started. @internal */
  restore(flow: SessionFlow): void {
    this.#flow = flow;
    flow.pauseAwaiting(this.sessions.nowSec);
    markUnsent(flow);
  }

  /** All that is under way, taken out: what the session is ended with then is nothing. @internal */
  take(): FlowState {
    const flow = this.#flow;
    const state = takeFlow(flow, this.#bits & lastPacketIdMask);
    this.#flow = undefined;
    if (flow !== undefined) this.sessions.removeFlow(this, flow);
    return state;
  }

  /**
   * Puts messages from another node in front of those that have come here since; the client is away. Where there is no room
   * it is as with messages that come: what is dropped is counted. @internal
   */
  put({ lastPacketId, inflight, queued, awaiting }: FlowState): void {
    const { sessions } = this;
    const behind = this.take().queued;
    this.#bits = (this.#bits & ~lastPacketIdMask) | lastPacketId;
    for (const entry of inflight) {
      if (sessions.hasBytesFor(entry.message === undefined ? 0 : weightOf(entry.message)))
        this.flowToAddTo().send(entry);
      else this.drop('sessions-bytes');
    }
    for (const packetId of awaiting) this.flowToAddTo().beginAwaiting(packetId, sessions.nowSec);
    for (const { message, qos, retained } of queued) this.enqueue(message, qos, retained);
    for (const { message, qos, retained } of behind) this.enqueue(message, qos, retained);
    if (this.#flow !== undefined) this.restore(this.#flow);
  }

  /** The session is over: what was under way is lost, and counted. @internal */
  end(reason: SessionDropReason): void {
    this.#bits |= endedBit;
    this.endAlarm();
    const flow = this.#flow;
    if (flow === undefined) return;
    let lost = flow.queued;
    for (const { message } of flow.entries()) if (message !== undefined) lost++;
    this.sessions.countDropped(reason, lost);
    this.#flow = undefined;
    this.sessions.store.remove(this.clientId, flow);
  }

  /** Once a second while something is under way and the client is here: repeats and forgets what is overdue. @internal */
  tick(): void {
    const { limits, nowSec, counters } = this.sessions;
    const flow = this.#flow;
    if (flow === undefined || !this.is(resumedBit)) return;
    if (limits.awaitRelTimeoutSec > 0 && flow.awaiting > 0) {
      counters.awaitingRelExpired += flow.expireAwaiting(nowSec - limits.awaitRelTimeoutSec);
      this.giveBackFlow();
    }
    if (limits.retryIntervalSec > 0 && !this.is(repeatingBit)) repeatOverdue(this, flow, this.sessions);
  }

  private deliverQos0(message: Message, retained: boolean): Delivery {
    const { limits } = this.sessions;
    if (!this.is(resumedBit)) {
      return limits.mqueueQos0 ? this.enqueue(message.kept(), 0, retained) : this.drop('qos0-offline');
    }
    // Behind those that were queued while the client was away, or it would overtake them.
    if (this.#flow !== undefined && this.#flow.queuedQos0 > 0)
      return this.enqueue(message.kept(), 0, retained);
    return this.connection!.sendQos0(message, retained);
  }

  private enqueue(message: Message, qos: Qos, retained: boolean): Delivery {
    const flow = this.flowToAddTo();
    const reason = makeRoom(flow, weightOf(message), this.sessions);
    if (reason !== undefined) {
      this.giveBackFlow();
      return this.drop(reason);
    }
    flow.enqueue({ message, qos, retained });
    this.noteQueueShrunk();
    const { limits } = this.sessions;
    if (!this.is(alarmedBit) && flow.queued >= limits.mqueueHigh) {
      this.#bits |= alarmedBit;
      this.sessions.alarm(this, true);
    }
    return 'buffered';
  }

  /** There is a connection, it takes more, and all that was in flight before is with it. */
  private get takesMore(): boolean {
    return (this.#bits & (resumedBit | repeatingBit)) === resumedBit && !this.connection!.congested;
  }

  private drop(reason: SessionDropReason): 'dropped' {
    this.sessions.countDropped(reason, 1);
    return 'dropped';
  }

  private send(message: Message, qos: 1 | 2, retained: boolean): void {
    const flow = this.flowToAddTo();
    const entry = new InflightEntry(this.freePacketId(flow), message, qos, retained, this.sessions.nowSec);
    flow.send(entry);
    this.connection!.sendInflight(entry);
  }

  /** The window has room, the socket takes more or the client is back: on with the mqueue. Writing may cut the connection at any point. */
  private fill(): void {
    const { maxInflight } = this.sessions.limits;
    for (;;) {
      const flow = this.#flow;
      const head = flow?.head;
      if (flow === undefined || head === undefined || !this.takesMore) break;
      if (head.qos > 0 && flow.inflight >= maxInflight) break;
      flow.dequeue();
      if (head.qos > 0) this.send(head.message, head.qos as 1 | 2, head.retained);
      else if (this.connection!.sendQos0(head.message, head.retained) === 'dropped') this.drop('connection');
    }
    this.noteQueueShrunk();
    this.giveBackFlow();
  }

  private finish(entry: InflightEntry): void {
    this.#flow!.remove(entry);
    entry.message = undefined; // where it still waits in the connection, it need not be written
    this.fill();
  }

  private noteQueueShrunk(): void {
    if (this.is(alarmedBit) && (this.#flow?.queued ?? 0) <= this.sessions.limits.mqueueLow) this.endAlarm();
  }

  private endAlarm(): void {
    if (!this.is(alarmedBit)) return;
    this.#bits &= ~alarmedBit;
    this.sessions.alarm(this, false);
  }

  /** Goes round, so that a late acknowledgement of an old message does not hit a new one. Fewer than 65,535 are in use. */
  private freePacketId(flow: SessionFlow): number {
    let packetId = this.#bits & lastPacketIdMask;
    do packetId = (packetId % 0xffff) + 1;
    while (flow.entry(packetId) !== undefined);
    this.#bits = (this.#bits & ~lastPacketIdMask) | packetId;
    return packetId;
  }

  private flowToAddTo(): SessionFlow {
    if (this.#flow === undefined) {
      this.#flow = this.sessions.createFlow(this);
    }
    return this.#flow;
  }

  private giveBackFlow(): void {
    const flow = this.#flow;
    if (flow === undefined || !flow.empty) return;
    this.#flow = undefined;
    this.sessions.removeFlow(this, flow);
  }

  private is(bit: number): boolean {
    return (this.#bits & bit) !== 0;
  }
}
