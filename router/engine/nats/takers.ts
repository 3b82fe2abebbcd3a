/**
 * Of each publisher's sends that it has not asked about yet, between half of that and all, the newest. Of 110,000 a second,
 * the most that was measured, it may wait for 55,000: for 250 ms it is asked in vain, and then it asks for what came meanwhile.
 */
export const notedMax = 200_000;
/** Number and count of one send, 8 bytes each. */
const takenBytes = 16;

/** Flat: number, count, number, count. */
interface Noted {
  older: number[];
  newer: number[];
}

export interface Told {
  readonly bytes: Uint8Array;
  /** There was no room for the rest. */
  readonly hasMore: boolean;
}

/** At the node that hands out: how many took what, by publisher, until that has asked for it. */
export class Takers {
  readonly #noted = new Map<number, Noted>();

  /** So many took on this node what the node of that run has published under that number. */
  note(run: number, number: number, count: number): void {
    if (count === 0) return;
    const noted = this.#noted.get(run);
    if (noted === undefined) {
      this.#noted.set(run, { older: [], newer: [number, count] });
      return;
    }
    noted.newer.push(number, count);
    if (noted.newer.length < notedMax) return; // two for each send: half of them
    noted.older = noted.newer;
    noted.newer = [];
  }

  /** What is noted for a publisher, and is not after that: the oldest, as many as there is room for. */
  tell(run: number, bytesMax: number): Told {
    const noted = this.#noted.get(run);
    if (noted === undefined) return { bytes: new Uint8Array(0), hasMore: false };
    const all = [...noted.older, ...noted.newer];
    const room = Math.max(0, Math.floor(bytesMax / takenBytes)) * 2;
    const rest = all.slice(room);
    if (rest.length === 0) this.#noted.delete(run);
    else this.#noted.set(run, { older: rest, newer: [] });
    return { bytes: encodeTaken(all.slice(0, room)), hasMore: rest.length > 0 };
  }

  /** That publisher has gone. */
  forget(run: number): void {
    this.#noted.delete(run);
  }
}

/** @param taken number, count, number, count */
export function encodeTaken(taken: readonly number[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(taken.length * 8);
  for (const [i, value] of taken.entries()) bytes.writeDoubleBE(value, i * 8);
  return bytes;
}

/** Whatever the bytes are; a rest that is too short is left out. */
export function decodeTaken(body: Uint8Array, each: (number: number, count: number) => void): void {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  for (let at = 0; at + takenBytes <= bytes.length; at += takenBytes) {
    each(bytes.readDoubleBE(at), bytes.readDoubleBE(at + 8));
  }
}
