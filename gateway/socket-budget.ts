import { ticksPerSec } from './clock.js';

/**
 * A WebSocket that we have closed stays open until its peer closes too, or for 4 to 8 s: uWS tells us of its end when
 * it begins. 9 s, as its clock is of 4 s.
 */
const lingerTicks = 9 * ticksPerSec;

/**
 * The descriptors that listeners may fill together. At the limit of the process `accept` fails while the listening
 * socket stays readable, and the loop spins; so at `max` all of them stop listening until there is room.
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

  /** @param target past it, `onOverTarget` is called: fewer than `max`, where more are closed in time to stay below that */
  constructor(max: number, target = max) {
    this.max = max;
    this.#target = target;
  }

  get full(): boolean {
    return this.#taken >= this.max;
  }

  /** How many more are taken than there should be. */
  get overTarget(): number {
    return Math.max(0, this.#taken - this.#target);
  }

  /** Sockets whose descriptors are not known to be free. */
  get taken(): number {
    return this.#taken;
  }

  /** The most that were taken at once, since the start. */
  get peak(): number {
    return this.#peak;
  }

  /** @param stopListening called whenever the last place is taken, and for each socket that comes after that */
  onFull(stopListening: () => void): void {
    this.#onFull.push(stopListening);
  }

  /** @param closeSome called for each socket that comes while there are as many as there should be */
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

  /** The socket will be gone within `lingerTicks`. */
  giveLater(): void {
    this.#ring[this.#tick]!++;
  }

  /** Once a tick of the sweeper. */
  tick(): void {
    this.#tick = (this.#tick + 1) % lingerTicks;
    this.#taken -= this.#ring[this.#tick]!;
    this.#ring[this.#tick] = 0;
  }
}
