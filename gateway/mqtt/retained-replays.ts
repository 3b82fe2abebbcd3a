import type { Qos } from '../../router/message.js';
import type { RetainedCursor } from '../../router/retained-cursor.js';
import type { Router } from '../../router/router.js';
import type { Session } from '../../router/session/session.js';
import { retainSet } from '../../router/subscription-options.js';
import type { Channel } from './channel.js';

/** Retained messages that one subscriber gets in one turn of the loop, so that it holds nobody up. */
const messagesPerTurn = 200;
/** And payload bytes, so that they fit a socket's buffer. */
const bytesPerTurn = 64 * 1024;

/**
 * The work that all replays together may do in one turn, counted in levels of topics that are looked at: 50 ns each, so 1 ms.
 * A filter with wildcards may look at all that is retained and match nothing.
 */
const levelsPerTurn = 20_000;
/** Of these, one replay's; so that others come to their turn. */
const levelsPerStep = 5_000;
/** A message handed on is as much work as that: 1 to 2 us. */
const levelsPerMessage = 20;
/** A filter that waits for its turn, with its cursor and its place: 250 B. */
const waitingFilterBytes = 250;
/** For what a session is still to be sent when its client is gone. */
const levelsPerAbsence = 20_000;

/**
 * Retained messages on their way to new subscribers, at the pace that each of them reads: a subscription to everything
 * may match 100,000 messages, which no window and no backlog holds. Only a filter waits, and the place where its walk has
 * got to: no messages.
 */
export class RetainedReplays {
  readonly #router: Router;
  readonly #replays = new Map<number, Replay>();
  /** Those that can go on, in the order in which they do. */
  #ready: Replay[] = [];
  readonly #waiting = { filters: 0 };
  #levelsLeft = levelsPerTurn;
  #scheduled = false;

  constructor(router: Router) {
    this.#router = router;
  }

  /** Connections that are still getting theirs, now. */
  get count(): number {
    return this.#replays.size;
  }

  /** Memory of the filters that wait, now; not counted where they are counted as subscriptions. */
  get bytes(): number {
    return this.#waiting.filters * waitingFilterBytes;
  }

  /** Subscriptions have been made, at these QoS. Made again, their messages start again [MQTT-3.8.4-3]. */
  begin(channel: Channel, granted: ReadonlyMap<string, Qos>): void {
    const { slot, session } = channel;
    if (session === undefined || !channel.isOpen) return;
    const existing = this.#replays.get(slot);
    let replay = existing;
    for (const [filter, qos] of granted) {
      if (!this.#router.mayHaveRetained(filter)) continue;
      replay ??= new Replay(channel, session, this.#waiting);
      replay.set(filter, { cursor: this.#router.walkRetained(filter, session), qos });
    }
    if (replay === undefined) return;
    if (existing !== undefined) this.#forgetUnsubscribed(existing);
    this.#replays.set(slot, replay);
    this.#step(replay);
    this.#schedule(); // a new turn, new levels
  }

  /** The client has made room: its window or its socket takes more. */
  goOn(channel: Channel): void {
    if (this.#replays.size === 0) return;
    const replay = this.#replays.get(channel.slot);
    if (replay?.channel === channel) this.#enqueue(replay);
  }

  /** The connection is gone. What its session asked to be sure of goes to the session, which may have ended, too. */
  release(slot: number, session: Session): void {
    const replay = this.#replays.get(slot);
    if (replay?.session !== session) return;
    this.#replays.delete(slot);
    replay.channel = undefined;
    if (session.endsWithConnection) replay.clear();
    else this.#enqueue(replay);
  }

  #enqueue(replay: Replay): void {
    if (replay.queued) return;
    replay.queued = true;
    this.#ready.push(replay);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  /** Each that is ready makes a step, or as many of them as there are levels for. */
  readonly #turn = (): void => {
    this.#scheduled = false;
    this.#levelsLeft = levelsPerTurn;
    const ready = this.#ready;
    this.#ready = [];
    let next = 0;
    for (; next < ready.length && this.#levelsLeft > 0; next++) {
      ready[next]!.queued = false;
      this.#step(ready[next]!);
    }
    if (next === ready.length) return;
    this.#ready = ready.slice(next).concat(this.#ready);
    this.#schedule();
  };

  #step(replay: Replay): void {
    const levels = Math.min(levelsPerStep, this.#levelsLeft);
    const turn = { messages: messagesPerTurn, bytes: bytesPerTurn, levels };
    const outcome = this.#goThrough(replay, turn);
    this.#levelsLeft -= levels - turn.levels;
    if (replay.channel === undefined) replay.levelsLeft -= levels - turn.levels;
    if (outcome === 'ready' && replay.levelsLeft > 0) this.#enqueue(replay);
    if (outcome === 'done') this.#end(replay);
  }

  #end(replay: Replay): void {
    const { channel } = replay;
    if (channel !== undefined && this.#replays.get(channel.slot) === replay)
      this.#replays.delete(channel.slot);
  }

  #goThrough(replay: Replay, turn: Allowance): Outcome {
    for (const [filter, part] of replay.parts) {
      if (turn.levels <= 0) return 'ready';
      turn.levels -= levelsPerMessage; // to begin with a filter is work, too
      if (this.#router.isLoggedIn(filter, replay.session)) {
        const outcome = this.#walk(replay, part, turn);
        if (outcome !== 'done') return outcome;
      }
      replay.delete(filter); // unsubscribed, it is not gone on with either [MQTT-3.10.4-2]
    }
    return 'done';
  }

  #walk(replay: Replay, { cursor, qos }: Part, turn: Allowance): Outcome {
    while (turn.messages > 0 && turn.bytes > 0 && turn.levels > 0) {
      turn.levels -= cursor.seek(turn.levels);
      if (cursor.done) return 'done';
      if (cursor.qos === undefined) break; // no levels are left
      const outcome = this.#handOn(replay, cursor, Math.min(cursor.qos, qos) as Qos, turn);
      if (outcome !== 'ready') return outcome;
    }
    return 'ready';
  }

  /** The message that the cursor is at. Writing may cut the connection, and release this replay. */
  #handOn(replay: Replay, cursor: RetainedCursor, qos: Qos, turn: Allowance): Outcome {
    const { channel, session } = replay;
    // It goes on when the socket drains, or with the next acknowledgement.
    if (channel?.congested) return 'waiting';
    if (channel !== undefined && qos > 0 && !session.hasRoom) return 'waiting';
    const message = cursor.take();
    turn.messages--;
    turn.bytes -= message.payload.length;
    turn.levels -= levelsPerMessage;
    if (channel === undefined && qos === 0) return 'ready';
    if (channel === undefined && !session.queueHasRoomFor(message)) {
      replay.clear(); // it is not to push out what was sent to the session itself
      return 'done';
    }
    session.deliver(message, qos | retainSet); // with RETAIN set [MQTT-3.3.1-8]
    return 'ready';
  }

  /** A client that subscribes and unsubscribes while it waits does not grow it. */
  #forgetUnsubscribed(replay: Replay): void {
    const { parts, session } = replay;
    if (parts.size <= this.#router.loginsOf(session)) return;
    for (const filter of parts.keys()) if (!this.#router.isLoggedIn(filter, session)) replay.delete(filter);
  }
}

type Outcome = 'done' | 'ready' | 'waiting';

/** The work that may still be done for one replay in this turn. */
interface Allowance {
  messages: number;
  bytes: number;
  levels: number;
}

interface Part {
  readonly cursor: RetainedCursor;
  readonly qos: Qos;
}

class Replay {
  /** Undefined when the connection is gone: the rest is for the session. */
  channel: Channel | undefined;
  readonly session: Session;
  /** By filter, so that who subscribes again and again does not grow it. The first is under way, the others wait. */
  readonly parts: Map<string, Part> = new Map();
  queued = false;
  /** Without its connection. */
  levelsLeft = levelsPerAbsence;

  /** Of all replays. */
  readonly #waiting: { filters: number };

  constructor(channel: Channel, session: Session, waiting: { filters: number }) {
    this.channel = channel;
    this.session = session;
    this.#waiting = waiting;
  }

  set(filter: string, part: Part): void {
    const before = this.parts.size;
    this.parts.set(filter, part);
    this.#waiting.filters += this.parts.size - before;
  }

  delete(filter: string): void {
    if (this.parts.delete(filter)) this.#waiting.filters--;
  }

  clear(): void {
    this.#waiting.filters -= this.parts.size;
    this.parts.clear();
  }
}
