import type { Come } from './id-order.js';

/** Come too early, in all. */
export const earlyMessagesMax = 10_000;
export const earlyBytesMax = 16 * 1024 * 1024;

interface Early {
  readonly come: Come;
  readonly untilMs: number;
}

/** Messages of a stream that have come before the one that they are behind, and wait for it; few, and not for long. */
export class EarlyMessages {
  /** By id, in the order of the stream. */
  readonly #byId = new Map<string, Early[]>();
  count = 0;
  #bytes = 0;

  /** The lowest place of a message that is waited for; Infinity = none is. */
  get lowestLast(): number {
    let lowest = Number.POSITIVE_INFINITY;
    if (this.count === 0) return lowest;
    for (const list of this.#byId.values()) {
      for (const { come } of list) if (come.last < lowest) lowest = come.last;
    }
    return lowest;
  }

  ids(): string[] {
    return [...this.#byId.keys()];
  }

  has({ id, sequence }: Come): boolean {
    const list = this.count === 0 ? undefined : this.#byId.get(id);
    return list?.[placeIn(list, sequence)]?.come.sequence === sequence;
  }

  /** @returns false where there is no room */
  add(come: Come, untilMs: number): boolean {
    const bytes = come.data.length;
    if (this.count >= earlyMessagesMax || this.#bytes + bytes > earlyBytesMax) return false;
    // A view of what was read from the socket: one of 100 bytes would keep up to 64 KiB.
    const early = { come: { ...come, data: Uint8Array.from(come.data) }, untilMs };
    const list = this.#byId.get(come.id);
    if (list === undefined) this.#byId.set(come.id, [early]);
    else list.splice(placeIn(list, come.sequence), 0, early);
    this.count++;
    this.#bytes += bytes;
    return true;
  }

  /** In the order of the stream. */
  firstOf(id: string): Come | undefined {
    return this.#byId.get(id)?.[0]?.come;
  }

  /** Of an id, up to a place, in the order of the stream. */
  takeUpTo(id: string, sequence: number): Come[] {
    const list = this.#byId.get(id);
    return list === undefined ? [] : this.#take(id, list, placeIn(list, sequence + 1));
  }

  /** All of the ids of which one has waited long enough, in the order of the stream. */
  takeDue(nowMs: number): Come[] {
    const due: Come[] = [];
    for (const [id, list] of this.#byId) {
      if (list.some(({ untilMs }) => untilMs <= nowMs)) due.push(...this.#take(id, list, list.length));
    }
    return due.sort((a, b) => a.sequence - b.sequence);
  }

  clear(): void {
    this.#byId.clear();
    this.count = 0;
    this.#bytes = 0;
  }

  #take(id: string, list: Early[], count: number): Come[] {
    const comes = list.splice(0, count).map(({ come }) => come);
    if (list.length === 0) this.#byId.delete(id);
    this.count -= comes.length;
    for (const { data } of comes) this.#bytes -= data.length;
    return comes;
  }
}

/** @returns how many are before that place */
function placeIn(list: readonly Early[], sequence: number): number {
  let at = list.length;
  while (at > 0 && list[at - 1]!.come.sequence >= sequence) at--;
  return at;
}
