/** Keeps, by connection, a line or an event that has begun in one piece and ends in a later one. */

/** A message is 64 KB at most (--message-bytes-max), and this is what other servers may send. */
export const UNFINISHED_BYTES_MAX = 16 * 1024 * 1024;

export class Unfinished {
  readonly #beginnings = new Map<number, Buffer>();
  /** Where in the bytes that `joined` gave back what is to be read begins and ends. */
  start = 0;
  end = 0;

  /** @returns the piece, behind what was left of those before it */
  joined(connection: number, piece: Buffer, start: number, end: number): Buffer {
    const beginning = this.#beginnings.size > 0 ? this.#beginnings.get(connection) : undefined;
    if (beginning === undefined) {
      this.start = start;
      this.end = end;
      return piece;
    }
    this.#beginnings.delete(connection);
    const bytes = Buffer.concat([beginning, piece.subarray(start, end)]);
    this.start = 0;
    this.end = bytes.length;
    return bytes;
  }

  /** Its end has not come. @returns false when it is longer than anything that is worth to be waited for */
  keep(connection: number, bytes: Buffer, start: number, end: number): boolean {
    if (end - start > UNFINISHED_BYTES_MAX) return false;
    this.#beginnings.set(connection, Buffer.from(bytes.subarray(start, end)));
    return true;
  }

  forget(connection: number): void {
    this.#beginnings.delete(connection);
  }
}
