/** In an answer, in the place of a send's number: the node has more to tell, for which there was no room. */
export const hasMoreNumber = Number.NEGATIVE_INFINITY;
/** Of what went by no stream. */
export const noStream = '';

/** In the place of a send's number: the node is behind with the stream that a question names there. */
export function behindNumber(index: number): number {
  return -index - 1;
}

/** Of one question to the nodes: which of them have more to tell later, by stream. */
export class Behind {
  readonly #streams: readonly string[];
  readonly #runs: ReadonlyMap<string, Set<number>>;

  /** @param streams that the question names */
  constructor(streams: readonly string[]) {
    this.#streams = streams;
    this.#runs = new Map([noStream, ...streams].map((stream) => [stream, new Set<number>()]));
  }

  /** The node of that run says so. @param number negative */
  note(number: number, run: number): void {
    if (number === hasMoreNumber) for (const runs of this.#runs.values()) runs.add(run);
    else this.#runs.get(this.#streams[-number - 1] ?? noStream)!.add(run);
  }

  /** @returns how many nodes */
  with(stream: string): number {
    return this.#runs.get(stream)?.size ?? 0;
  }
}
