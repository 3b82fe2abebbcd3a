import type { Come } from './id-order.js';

/** Past either, what has come is let go, and read from the stream, too. */
export const backlogMessagesMax = 200_000;
export const backlogBytesMax = 64 * 1024 * 1024;

/** What comes from a stream while what was missed before it is read. */
export class Backlog {
  #comes: Come[] = [];
  #bytes = 0;

  get count(): number {
    return this.#comes.length;
  }

  /** @returns false where there is no room: then it is empty */
  push(come: Come): boolean {
    // A view of what was read from the socket: one of 100 bytes would keep up to 64 KiB.
    this.#comes.push({ ...come, data: Uint8Array.from(come.data) });
    this.#bytes += come.data.length;
    if (this.#comes.length <= backlogMessagesMax && this.#bytes <= backlogBytesMax) return true;
    this.#comes = [];
    this.#bytes = 0;
    return false;
  }

  /** Those behind are of a stream that is no more. */
  keepUpTo(sequence: number): void {
    this.#comes = this.#comes.filter((come) => come.sequence <= sequence);
    this.#bytes = this.#comes.reduce((sum, { data }) => sum + data.length, 0);
  }

  /** What has come behind a place, in the order of the stream. */
  behind(sequence: number): Come[] {
    return this.#comes.filter((come) => come.sequence > sequence).sort((a, b) => a.sequence - b.sequence);
  }
}
