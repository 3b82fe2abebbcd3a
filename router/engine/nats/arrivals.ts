/** More than a cluster will ever have. Past it the publisher that was first heard of is forgotten. */
const publishersMax = 10_000;

/**
 * What has come from which publisher, so that nobody is served twice. A node whose id and filter both match is sent a
 * message once for each of them, one right behind the other:
 *
 *     from A   7 8 8 8 9 12 11        8 is taken once; 11 comes late and is left out
 *                  = =    <
 *
 * NATS keeps the order of one publisher on one way. It is broken where that publisher's way has changed, as when its
 * server died: to hand out what comes late then would break the order of the id.
 */
export class Arrivals {
  /** By run of the publisher. */
  readonly #last = new Map<number, number>();
  /** Left out, as newer ones of the same publisher were here already. */
  late = 0;

  /** @returns whether it is to be handed out */
  take(run: number, sequence: number): boolean {
    const last = this.#last.get(run);
    if (last !== undefined && sequence <= last) {
      if (sequence < last) this.late++;
      return false;
    }
    this.#last.set(run, sequence);
    if (last === undefined && this.#last.size > publishersMax)
      this.#last.delete(this.#last.keys().next().value!);
    return true;
  }

  forget(run: number): void {
    this.#last.delete(run);
  }
}
