/** What has begun in one piece and ends in a later one, by connection: a line, or an event. */
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

  /** Its end has not come. */
  keep(connection: number, bytes: Buffer, start: number, end: number): void {
    this.#beginnings.set(connection, Buffer.from(bytes.subarray(start, end)));
  }

  forget(connection: number): void {
    this.#beginnings.delete(connection);
  }
}
