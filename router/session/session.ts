import type { Message } from '../message.js';
import type { Delivery } from '../subscriber.js';
import { type DeliveryOptions, qosIn } from '../subscription-options.js';
import { endedBit, FlowOwner, lastPacketIdMask, repeatingBit, resumedBit } from './flow-owner.js';
import { InflightEntry } from './inflight-entry.js';
import { hasRoom, makeRoom } from './mqueue-policy.js';
import { markUnsent, repeatOverdue, repeatUnsent } from './retransmission.js';
import type { SessionConnection } from './session-connection.js';
import { type FlowState, takeFlow } from './session-state.js';
import type { SessionFlow } from './session-store.js';
import type { SessionDropReason } from './sessions-stats.js';
import { weightOf } from './weight.js';

/**
 * The MQTT state of one client id: a subscriber that may outlive its connection. Messages at QoS 1 and 2 go into the
 * inflight window and out, or wait in the mqueue behind it. Both are in the flow, which exists only while it has
 * messages. An idle session is this object (64 bytes) and its entry in the registry. Methods are `private` and not `#`:
 * see FlowOwner.
 *
 *     deliver -> connection          QoS 0
 *             -> window -> connection, until acknowledged
 *             -> mqueue -> window    no room in it, the socket takes no more, or the client is away
 *
 * The window is sent at the pace of the socket: while the connection is congested nothing is sent, and `goOn`
 * continues. So a connection never has more waiting messages of a session than one turn has brought.
 */
export abstract class Session extends FlowOwner {
  /** Undefined while the client is absent. Set by the registry. */
  connection: SessionConnection | undefined = undefined;

  /** Whether a message at QoS 1 or 2 would be sent at once. */
  get hasRoom(): boolean {
    if (!this.takesMore) return false;
    const { flow } = this;
    return flow === undefined || (flow.queued === 0 && flow.inflight < this.sessions.limits.maxInflight);
  }

  /** Whether the mqueue has room for this message without a drop. */
  queueHasRoomFor(message: Message): boolean {
    return !this.is(endedBit) && hasRoom(this.flow, weightOf(message), this.sessions);
  }

  override deliver(message: Message, options: DeliveryOptions): Delivery {
    if (this.is(endedBit)) return 'dropped';
    if (qosIn(options) === 0) return this.deliverQos0(message, options);
    if (!this.hasRoom) return this.enqueue(message.kept(), options);
    const kept = message.kept();
    if (!this.sessions.hasBytesFor(weightOf(kept))) return this.drop('sessions-bytes');
    this.send(kept, options);
    // That message may have cut the connection.
    if (this.connection !== undefined) return 'sent';
    return this.is(endedBit) ? 'dropped' : 'buffered';
  }

  /** Call after CONNACK: repeats the messages in flight, in order [MQTT-4.4.0-1], then continues with the mqueue. */
  resume(): void {
    this.bits |= resumedBit;
    const { flow } = this;
    if (flow === undefined) return;
    flow.resumeAwaiting(this.sessions.nowSec);
    if (flow.inflight > 0) this.bits |= repeatingBit;
    this.goOn();
  }

  /** The connection takes more again. */
  goOn(): void {
    const { flow } = this;
    if (flow === undefined || !this.is(resumedBit)) return;
    if (this.is(repeatingBit)) {
      if (!repeatUnsent(this, flow, this.sessions)) return;
      this.bits &= ~repeatingBit;
    }
    this.fill();
  }

  /** PUBACK. @returns whether a message was waiting for it */
  acknowledge(packetId: number): boolean {
    const entry = this.flow?.entry(packetId);
    if (entry === undefined || entry.qos !== 1) return false;
    this.finish(entry);
    return true;
  }

  /**
   * PUBREC. @returns whether to send PUBREL. True also for an unknown packet id, which the client could otherwise never
   * free; false for a message at QoS 1
   */
  received(packetId: number): boolean {
    const entry = this.flow?.entry(packetId);
    if (entry === undefined) return true;
    if (entry.qos !== 2) return false;
    if (entry.message !== undefined) this.flow!.release(entry);
    entry.sentAtSec = this.sessions.nowSec;
    if (this.storesFirst) this.sendOnceStored(entry);
    return true;
  }

  /** Whether the PUBREL of this packet id is sent later, once it is stored. */
  holds(packetId: number): boolean {
    return this.sessions.store.isDurable && (this.flow?.entry(packetId)?.held ?? false);
  }

  /** PUBCOMP. @returns whether a PUBREL was waiting for it */
  completed(packetId: number): boolean {
    const entry = this.flow?.entry(packetId);
    if (entry === undefined || entry.qos !== 2 || entry.message !== undefined) return false;
    this.finish(entry);
    return true;
  }

  /** The next acknowledgement of a packet id in flight. Any other one is out of turn. */
  expected(packetId: number): 'PUBACK' | 'PUBREC' | 'PUBCOMP' | undefined {
    const entry = this.flow?.entry(packetId);
    if (entry === undefined) return undefined;
    return entry.qos === 1 ? 'PUBACK' : entry.message === undefined ? 'PUBCOMP' : 'PUBREC';
  }

  /** Drops the messages that the user of its client may not read: before `resume`, or when rights have changed. */
  keepOnly(mayRead: (id: string) => boolean): void {
    const { flow } = this;
    if (flow === undefined) return;
    let dropped = 0;
    for (const entry of flow.entries()) {
      if (entry.message === undefined || mayRead(entry.message.id)) continue;
      flow.remove(entry);
      entry.message = undefined; // if it still waits in the connection, it is not written
      dropped++;
    }
    for (let left = flow.queued; left > 0; left--) {
      const queued = flow.dequeue()!;
      if (mayRead(queued.message.id)) flow.enqueue(queued);
      else dropped++;
    }
    if (dropped === 0) return;
    this.sessions.countDropped('not-allowed', dropped);
    this.fill();
  }

  /** The client is absent from now on. @internal */
  pause(): void {
    this.bits &= ~(resumedBit | repeatingBit);
    if (this.flow !== undefined) this.restore(this.flow);
  }

  /** Takes a flow while the client is absent, such as one of an earlier process. @internal */
  restore(flow: SessionFlow): void {
    this.flow = flow;
    flow.pauseAwaiting(this.sessions.nowSec);
    markUnsent(flow);
  }

  /** Takes all messages out of the session, before its end. @internal */
  take(): FlowState {
    const { flow } = this;
    const state = takeFlow(flow, this.bits & lastPacketIdMask);
    this.flow = undefined;
    if (flow !== undefined) this.sessions.removeFlow(this, flow);
    return state;
  }

  /**
   * Puts messages from another node in front of those that arrived here since; the client is absent. Without room,
   * messages are dropped and counted as usual. @internal
   */
  put({ lastPacketId, inflight, queued, awaiting }: FlowState): void {
    const { sessions } = this;
    const behind = this.take().queued;
    this.bits = (this.bits & ~lastPacketIdMask) | lastPacketId;
    for (const entry of inflight) {
      if (sessions.hasBytesFor(entry.message === undefined ? 0 : weightOf(entry.message)))
        this.flowToAddTo().send(entry);
      else this.drop('sessions-bytes');
    }
    for (const packetId of awaiting) this.flowToAddTo().beginAwaiting(packetId, sessions.nowSec);
    for (const { message, options } of queued) this.enqueue(message, options);
    for (const { message, options } of behind) this.enqueue(message, options);
    if (this.flow !== undefined) this.restore(this.flow);
  }

  /** Ends the session. Its messages are lost, and counted. @internal */
  end(reason: SessionDropReason): void {
    this.bits |= endedBit;
    this.endAlarm();
    const { flow } = this;
    if (flow === undefined) return;
    let lost = flow.queued;
    for (const { message } of flow.entries()) if (message !== undefined) lost++;
    this.sessions.countDropped(reason, lost);
    this.flow = undefined;
    this.sessions.store.remove(this.clientId, flow);
  }

  /**
   * Called once a second while there are messages and the client is connected: repeats and forgets overdue ones.
   * @internal
   */
  tick(): void {
    const { limits, nowSec, counters } = this.sessions;
    const { flow } = this;
    if (flow === undefined || !this.is(resumedBit)) return;
    if (limits.awaitRelTimeoutSec > 0 && flow.awaiting > 0) {
      counters.awaitingRelExpired += flow.expireAwaiting(nowSec - limits.awaitRelTimeoutSec);
      this.giveBackFlow();
    }
    if (limits.retryIntervalSec > 0 && !this.is(repeatingBit)) repeatOverdue(this, flow, this.sessions);
  }

  private deliverQos0(message: Message, options: DeliveryOptions): Delivery {
    const { limits } = this.sessions;
    if (!this.is(resumedBit)) {
      return limits.mqueueQos0 ? this.enqueue(message.kept(), options) : this.drop('qos0-offline');
    }
    // Behind messages that were queued while the client was absent, so as not to overtake them.
    if (this.flow !== undefined && this.flow.queuedQos0 > 0) return this.enqueue(message.kept(), options);
    return this.connection!.sendQos0(message, options);
  }

  private enqueue(message: Message, options: DeliveryOptions): Delivery {
    const flow = this.flowToAddTo();
    const reason = makeRoom(flow, weightOf(message), this.sessions);
    if (reason !== undefined) {
      this.giveBackFlow();
      return this.drop(reason);
    }
    flow.enqueue({ message, options });
    this.noteQueueShrunk();
    this.noteQueueGrown(flow);
    return 'buffered';
  }

  /** Whether there is a connection that takes more, and has all messages that were in flight before. */
  private get takesMore(): boolean {
    return (this.bits & (resumedBit | repeatingBit)) === resumedBit && !this.connection!.congested;
  }

  private send(message: Message, options: DeliveryOptions): void {
    const flow = this.flowToAddTo();
    const entry = new InflightEntry(this.freePacketId(flow), message, options, this.sessions.nowSec);
    flow.send(entry);
    if (entry.qos === 2 && this.storesFirst) this.sendOnceStored(entry);
    else this.connection!.sendInflight(entry);
  }

  private sendOnceStored(entry: InflightEntry): void {
    entry.held = true;
    this.sessions.store.whenStored(() => {
      entry.held = false;
      const isCurrent = this.flow?.entry(entry.packetId) === entry;
      // On a new connection it is repeated with the others, where that is still going on.
      if (!isCurrent || !this.is(resumedBit) || this.is(repeatingBit)) return;
      if (entry.sentAtSec < 0) entry.sentAtSec = this.sessions.nowSec;
      if (entry.message === undefined) this.connection!.sendPubrel(entry.packetId);
      else this.connection!.sendInflight(entry);
    });
  }

  /**
   * Continues with the mqueue: the window has room, the socket takes more, or the client is back. Writing may cut the
   * connection.
   */
  private fill(): void {
    const { maxInflight } = this.sessions.limits;
    for (;;) {
      const { flow } = this;
      const head = flow?.head;
      if (flow === undefined || head === undefined || !this.takesMore) break;
      const { message, options } = head;
      const isQos0 = qosIn(options) === 0;
      if (!isQos0 && flow.inflight >= maxInflight) break;
      flow.dequeue();
      if (!isQos0) this.send(message, options);
      else if (this.connection!.sendQos0(message, options) === 'dropped') this.drop('connection');
    }
    this.noteQueueShrunk();
    this.giveBackFlow();
  }

  private finish(entry: InflightEntry): void {
    this.flow!.remove(entry);
    entry.message = undefined; // if it still waits in the connection, it need not be written
    this.fill();
  }
}
