/**
 * A position of each id that had one lately. Two generations, so that to forget costs nothing for each id: what is set
 * stays for one turn at least, and is gone after two.
 */
export class RecentPositions {
  #now = new Map<string, number>();
  #before = new Map<string, number>();

  /** Set since the last turn. */
  get size(): number {
    return this.#now.size;
  }

  /** 0 = none */
  of(id: string): number {
    return this.#now.get(id) ?? this.#before.get(id) ?? 0;
  }

  set(id: string, position: number): void {
    this.#now.set(id, position);
  }

  turn(): void {
    if (this.#now.size === 0 && this.#before.size === 0) return;
    this.#before = this.#now;
    this.#now = new Map();
  }

  clear(): void {
    this.#now.clear();
    this.#before.clear();
  }
}
