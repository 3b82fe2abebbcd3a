/** The last cursor of each connection: opaque text of the server, which outlives the socket. */
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
