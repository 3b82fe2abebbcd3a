/** The last cursor of each connection, as the server gave it: opaque text, which outlives the socket it came on. */
export class Cursors {
  readonly #texts: (string | undefined)[];

  constructor(connections: number) {
    this.#texts = new Array(connections).fill(undefined);
  }

  of(connection: number): string | undefined {
    return this.#texts[connection];
  }

  keep(connection: number, cursor: string): void {
    this.#texts[connection] = cursor;
  }
}
