/**
 * Packet ids of one client's QoS 2 messages that wait for PUBREL, so that a repeated PUBLISH is taken once. Time counts
 * only while the client is connected, because it cannot send PUBREL otherwise.
 */
export class AwaitingRel {
  /** Packet id -> second of its arrival on the session clock; oldest first. */
  readonly #sinceSec = new Map<number, number>();
  #pausedAtSec: number | undefined;

  get size(): number {
    return this.#sinceSec.size;
  }

  has(packetId: number): boolean {
    return this.#sinceSec.has(packetId);
  }

  packetIds(): Iterable<number> {
    return this.#sinceSec.keys();
  }

  add(packetId: number, nowSec: number): void {
    this.#sinceSec.set(packetId, nowSec);
  }

  /** @returns whether it existed */
  remove(packetId: number): boolean {
    return this.#sinceSec.delete(packetId);
  }

  /** Forgets those that arrived at this second or before. @returns their number */
  expire(lastSec: number): number {
    let expired = 0;
    for (const [packetId, sinceSec] of this.#sinceSec) {
      if (sinceSec > lastSec) break;
      this.#sinceSec.delete(packetId);
      expired++;
    }
    return expired;
  }

  pause(nowSec: number): void {
    this.#pausedAtSec ??= nowSec;
  }

  resume(nowSec: number): void {
    if (this.#pausedAtSec === undefined) return;
    const pausedSec = nowSec - this.#pausedAtSec;
    this.#pausedAtSec = undefined;
    for (const [packetId, sinceSec] of this.#sinceSec) this.#sinceSec.set(packetId, sinceSec + pausedSec);
  }
}
