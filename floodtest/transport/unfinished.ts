/** Keeps, by connection, the beginning of a line or event that ends in a later piece. */

/** Encke's messages have at most 64 KB (--message-bytes-max); other servers may send more. */
export const UNFINISHED_BYTES_MAX = 16 * 1024 * 1024;

export class Unfinished {
  readonly #beginnings = new Map<number, Buffer>();
  /** Bounds of the readable part in the bytes that `joined` returned. */
  start = 0;
  end = 0;

  /** @returns the piece behind the kept beginning */
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

  /** Keeps an incomplete line or event. @returns false when it is too long */
  keep(connection: number, bytes: Buffer, start: number, end: number): boolean {
    if (end - start > UNFINISHED_BYTES_MAX) return false;
    this.#beginnings.set(connection, Buffer.from(bytes.subarray(start, end)));
    return true;
  }

  forget(connection: number): void {
    this.#beginnings.delete(connection);
  }
}
