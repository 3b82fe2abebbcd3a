/**
 * Packet ids of QoS 2 messages that one client has sent and has not sent PUBREL for: the memory that makes a repeated
 * PUBLISH be taken once. Time counts only while the client is connected, as it cannot send PUBREL otherwise.
 */
export class AwaitingRel {
  /** Packet id -> second of the session clock at which it came; oldest first. */
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

  /** @returns whether it was there */
  remove(packetId: number): boolean {
    return this.#sinceSec.delete(packetId);
  }

  /** Forgets those that came at this second or before. @returns how many */
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
