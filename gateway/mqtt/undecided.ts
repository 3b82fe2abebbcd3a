import type { OnOutcome, Outcome } from '../../router/engine/engine.js';
import type { Session } from '../../router/session/session.js';
import type { Channel } from './channel.js';

/** A message at QoS 2 that has been published, and who waits to hear whether it is carried. */
interface Publication {
  channel: Channel;
  /** More than one where its client has repeated it; PublishReplies limits them. */
  waiting: OnOutcome[];
}

/**
 * Messages at QoS 2 of which it is not known yet whether they are carried, by session and packet id. It outlives their
 * connection, as a client may come back and repeat one: then it may neither be answered nor published again.
 *
 *     PUBLISH 7 ──> undecided ──(carried)──────> awaits PUBREL, and repeated it is answered
 *                       └──────(not carried)──> forgotten, and repeated it is new
 *
 * Where a connection to Redis has broken, that may take until the next one: the server says then what it has run. There are
 * no more than were under way on the one that broke.
 */
export class Undecided {
  readonly #bySession = new Map<Session, Map<number, Publication>>();

  /** Who waits until a session has none. */
  readonly #onNone = new Map<Session, (() => void)[]>();

  /** Sessions with some, now. */
  get count(): number {
    return this.#bySession.size;
  }

  /** It has been noted by the session, and is about to be published. @returns what says whether it is carried */
  begin(session: Session, packetId: number, channel: Channel, onOutcome: OnOutcome): OnOutcome {
    const publication: Publication = { channel, waiting: [onOutcome] };
    const others = this.#bySession.get(session);
    if (others === undefined) this.#bySession.set(session, new Map([[packetId, publication]]));
    else others.set(packetId, publication);
    const decide = (outcome: Outcome) => {
      this.#remove(session, packetId);
      if (outcome.carried !== 'yes') session.release(packetId);
      for (const each of publication.waiting) each(outcome);
    };
    return (outcome) => {
      if (outcome.whenKnown === undefined) return decide(outcome);
      // It stays undecided; its publisher is told what there is to tell, and may repeat it.
      for (const each of publication.waiting.splice(0)) each(outcome);
      outcome.whenKnown((carried) => decide({ ...outcome, carried }));
    };
  }

  has(session: Session, packetId: number): boolean {
    return this.#bySession.get(session)?.has(packetId) ?? false;
  }

  /** It was repeated, and is answered when it is decided. @returns false = nothing is undecided under this packet id */
  wait(session: Session, packetId: number, channel: Channel, onOutcome: OnOutcome): boolean {
    const publication = this.#bySession.get(session)?.get(packetId);
    if (publication === undefined) return false;
    if (publication.channel !== channel) {
      publication.channel = channel;
      publication.waiting = []; // of a connection that is gone
    }
    publication.waiting.push(onOutcome);
    return true;
  }

  /** Calls back when nothing of it is undecided: it may go to another node then, which knows what it has taken. */
  whenNone(session: Session, ready: () => void): void {
    if (!this.#bySession.has(session)) return ready();
    const others = this.#onNone.get(session);
    if (others === undefined) this.#onNone.set(session, [ready]);
    else others.push(ready);
  }

  #remove(session: Session, packetId: number): void {
    const publications = this.#bySession.get(session);
    publications?.delete(packetId);
    if (publications?.size !== 0) return;
    this.#bySession.delete(session);
    const waiting = this.#onNone.get(session) ?? [];
    this.#onNone.delete(session);
    // The packet that was decided last is let go of first.
    for (const ready of waiting) setImmediate(ready);
  }
}
