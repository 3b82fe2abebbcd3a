/** Of each publisher's sends that it has not asked about yet, the newest: it waits for none that is older. */
export const notedMax = 50_000;
/** Number and count of one send, 8 bytes each. */
const takenBytes = 16;

/** Flat: number, count, number, count. */
interface Noted {
  older: number[];
  newer: number[];
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

  /** All that is noted for a publisher, and is not after that; the newest, as many as there is room for. */
  tell(run: number, bytesMax: number): Uint8Array {
    const noted = this.#noted.get(run);
    if (noted === undefined) return new Uint8Array(0);
    this.#noted.delete(run);
    const all = [...noted.older, ...noted.newer];
    const room = Math.max(0, Math.floor(bytesMax / takenBytes)) * 2;
    return encodeTaken(all.slice(Math.max(0, all.length - room)));
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
