/** A clock this far ahead of ours is wrong, and ours does not follow it. */
const aheadMsMax = 86_400_000;

/**
 * When client ids connected, on a clock that all nodes move on together: the wall clock, but never behind what was
 * heard from another node. So a CONNECT that came after another one was heard of has the greater stamp, however far
 * the clocks of the two machines are apart. Whole milliseconds of 6 bytes.
 */
export class ConnectStamps {
  readonly #max: number;
  #last = 0;
  /** Two generations: who connected within the last one or two `age` calls. */
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  /** @param max client ids of one generation; past it the older generation goes at once */
  constructor(max: number) {
    this.#max = max;
  }

  /** The client id has connected here. @returns its stamp */
  take(clientId: string): number {
    this.#last = Math.max(Date.now(), this.#last + 1);
    if (this.#young.size >= this.#max) this.age();
    this.#young.set(clientId, this.#last);
    return this.#last;
  }

  /** Another node has given this stamp. */
  hear(stamp: number): void {
    if (stamp > this.#last && stamp - Date.now() <= aheadMsMax) this.#last = stamp;
  }

  /** When the client id connected here; undefined = longer ago than a CONNECT is on its way between nodes. */
  of(clientId: string): number | undefined {
    return this.#young.get(clientId) ?? this.#old.get(clientId);
  }

  /** Forgets those that were young at the last call. */
  age(): void {
    this.#old = this.#young;
    this.#young = new Map();
  }
}
