import type { Outcome } from '../../router/engine/engine.js';
import type { Session } from '../../router/session/session.js';
import type { Channel } from './channel.js';
import type { PublishTicket, Replies } from './replies.js';

/** A message at QoS 2 that has been published. */
interface Publication {
  channel: Channel;
  /** Its PUBREC. More than one where its client has repeated it; Replies limits them. */
  tickets: PublishTicket[];
}

/**
 * Messages at QoS 2 of which it is not known yet whether they are carried, by session and packet id. They outlive their
 * connection, as a client may come back and repeat one: then it may neither be answered nor published again.
 *
 *     PUBLISH 7 ──> pending ──(carried)──────> awaits PUBREL, and repeated it is answered
 *                      └──────(not carried)──> forgotten, and repeated it is new
 *
 * Where a connection to Redis has broken, that may take until the next one: the server says then what it has run. There are
 * no more than were under way on the one that broke.
 */
export class PendingQos2 {
  readonly #replies: Pick<Replies, 'settle'>;
  readonly #bySession = new Map<Session, Map<number, Publication>>();
  /** Callbacks of `whenNone`. */
  readonly #onNone = new Map<Session, (() => void)[]>();

  constructor(replies: Pick<Replies, 'settle'>) {
    this.#replies = replies;
  }

  /** Sessions with some, now. */
  get count(): number {
    return this.#bySession.size;
  }

  /** It has been noted by the session, and is about to be published. @returns what says whether it is carried */
  begin(session: Session, packetId: number, ticket: PublishTicket): (outcome: Outcome) => void {
    const publication: Publication = { channel: ticket.channel, tickets: [ticket] };
    const others = this.#bySession.get(session);
    if (others === undefined) this.#bySession.set(session, new Map([[packetId, publication]]));
    else others.set(packetId, publication);
    const decide = (outcome: Outcome) => {
      this.#remove(session, packetId);
      if (outcome.carried !== 'yes') session.release(packetId);
      for (const each of publication.tickets) this.#replies.settle(each, outcome);
    };
    return (outcome) => {
      if (outcome.whenKnown === undefined) return decide(outcome);
      // It stays pending; its publisher is told what there is to tell, and may repeat it.
      for (const each of publication.tickets.splice(0)) this.#replies.settle(each, outcome);
      outcome.whenKnown((carried) => decide({ ...outcome, carried }));
    };
  }

  has(session: Session, packetId: number): boolean {
    return this.#bySession.get(session)?.has(packetId) ?? false;
  }

  /** It was repeated, and is answered when it is decided. @returns false = nothing is pending under this packet id */
  wait(session: Session, packetId: number, ticket: PublishTicket): boolean {
    const publication = this.#bySession.get(session)?.get(packetId);
    if (publication === undefined) return false;
    if (publication.channel !== ticket.channel) {
      publication.channel = ticket.channel;
      publication.tickets = []; // of a connection that is gone
    }
    publication.tickets.push(ticket);
    return true;
  }

  /** Calls back when nothing of it is pending: it may go to another node then, which knows what it has taken. */
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
