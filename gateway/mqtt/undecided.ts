import type { Session } from '../../router/session/session.js';

/**
 * Messages at QoS 2 of which it is not known yet whether they are carried, by session and packet id. It outlives their
 * connection, as a client may come back and repeat one: then it may neither be acknowledged nor published again.
 *
 *     PUBLISH 7 ──> undecided ──(carried)──> awaits PUBREL, and repeated it is answered
 *                       └──────(not carried)──> forgotten, and repeated it is new
 *
 * Of a session no more than may await PUBREL; of all, no more than Acknowledgements waits for, and for no longer.
 */
export class Undecided {
  readonly #packetIds = new Map<Session, Set<number>>();

  /** Sessions with some, now. */
  get count(): number {
    return this.#packetIds.size;
  }

  has(session: Session, packetId: number): boolean {
    return this.#packetIds.get(session)?.has(packetId) ?? false;
  }

  add(session: Session, packetId: number): void {
    const packetIds = this.#packetIds.get(session);
    if (packetIds === undefined) this.#packetIds.set(session, new Set([packetId]));
    else packetIds.add(packetId);
  }

  remove(session: Session, packetId: number): void {
    const packetIds = this.#packetIds.get(session);
    if (packetIds?.delete(packetId) && packetIds.size === 0) this.#packetIds.delete(session);
  }
}
