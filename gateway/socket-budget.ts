import { ticksPerSec } from './clock.js';

/**
 * A WebSocket that we close stays open until its peer closes too, or for 4 to 8 s: uWS reports the beginning of its
 * end. 9 s, because uWS's clock ticks every 4 s.
 */
const lingerTicks = 9 * ticksPerSec;

/**
 * The descriptors that all listeners may use. At the limit of the process `accept` fails while the listening socket
 * stays readable, and the loop spins. So at `max` all listeners stop until there is room.
 *
 *     taken   = open  +  lingering: closed by us, descriptor not free yet
 *     ring    [3][0][1]…   lingering by the tick at which they count no more
 */
export class SocketBudget {
  readonly max: number;
  #taken = 0;
  #peak = 0;
  readonly #ring = new Uint32Array(lingerTicks);
  #tick = 0;
  readonly #onFull: (() => void)[] = [];
  readonly #target: number;
  #onOverTarget: () => void = () => undefined;

  /** @param target calls `closeSome` past it; less than `max`, so that sockets can be closed before `max` */
  constructor(max: number, target = max) {
    this.max = max;
    this.#target = target;
  }

  get full(): boolean {
    return this.#taken >= this.max;
  }

  /** Sockets above the target. */
  get overTarget(): number {
    return Math.max(0, this.#taken - this.#target);
  }

  /** Sockets whose descriptors may not be free. */
  get taken(): number {
    return this.#taken;
  }

  /** The highest number since the start. */
  get peak(): number {
    return this.#peak;
  }

  /** @param stopListening called when the last place is taken, and for each later socket */
  onFull(stopListening: () => void): void {
    this.#onFull.push(stopListening);
  }

  /** @param closeSome called for each socket above the target */
  onOverTarget(closeSome: () => void): void {
    this.#onOverTarget = closeSome;
  }

  take(): void {
    this.#taken++;
    if (this.#taken > this.#target) this.#onOverTarget();
    if (this.#taken > this.#peak) this.#peak = this.#taken;
    if (this.full) for (const stopListening of this.#onFull) stopListening();
  }

  give(): void {
    this.#taken--;
  }

  /** The socket closes within `lingerTicks`. */
  giveLater(): void {
    this.#ring[this.#tick]!++;
  }

  /** Called in each tick of the sweeper. */
  tick(): void {
    this.#tick = (this.#tick + 1) % lingerTicks;
    this.#taken -= this.#ring[this.#tick]!;
    this.#ring[this.#tick] = 0;
  }
}
