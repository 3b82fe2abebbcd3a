import { type SocketActivity, socketCalls } from './libc.js';
import type { SampledLog } from './sampled-log.js';
import type { SocketBudget } from './socket-budget.js';

/** Descriptors that are looked at in one turn: 1 ms. */
const descriptorsPerTurn = 1_000;
/** Least time between two searches. New sockets have room beyond the target meanwhile. */
const batchMs = 100;
/** A socket without an answer for this long waits for a slow head or body. */
const slowMs = 1_000;

interface Socket extends SocketActivity {
  readonly descriptor: number;
}

/**
 * Closes sockets of the router API when there are too many, so that it never stops listening. Otherwise slow heads
 * would lock out senders and probes before their token is checked. uWS does not tell the socket of a request. But the
 * kernel knows when something was last sent on each socket, or when it was accepted.
 */
export class IdleSockets {
  readonly #budget: SocketBudget;
  readonly #descriptorsMax: () => number;
  readonly #accepted: (descriptor: number) => boolean;
  readonly #log: SampledLog;
  #looking = false;
  #closed = 0;

  /**
   * @param descriptorsMax all descriptors are below this
   * @param accepted whether the router API accepted a socket: another listener may have its port, on another address
   */
  constructor(
    budget: SocketBudget,
    descriptorsMax: () => number,
    accepted: (descriptor: number) => boolean,
    log: SampledLog,
  ) {
    this.#budget = budget;
    this.#descriptorsMax = descriptorsMax;
    this.#accepted = accepted;
    this.#log = log;
    budget.onOverTarget(() => this.#look());
  }

  /** Since the start. */
  get closed(): number {
    return this.#closed;
  }

  /** Over some turns of the loop. */
  #look(): void {
    const calls = socketCalls();
    if (calls === undefined || this.#looking) return;
    this.#looking = true;
    const found: Socket[] = [];
    const step = (from: number): void => {
      const end = Math.min(from + descriptorsPerTurn, this.#descriptorsMax());
      for (let descriptor = from; descriptor < end; descriptor++) {
        if (!this.#accepted(descriptor)) continue;
        const activity = calls.activity(descriptor); // undefined for the listening socket
        if (activity !== undefined) found.push({ descriptor, ...activity });
      }
      if (end < this.#descriptorsMax()) return void setImmediate(step, end);
      this.#looking = false;
      this.#closeLongestIdle(found);
    };
    setTimeout(step, batchMs, 0);
  }

  /** Chooses sockets to close: first those without any answer, then slow ones, up to a quarter of all. */
  #closeLongestIdle(found: readonly Socket[]): void {
    const calls = socketCalls()!;
    const excess = this.#budget.overTarget;
    if (excess === 0) return;
    const most = excess + Math.ceil(found.length / 4);
    const gone = [...found]
      .sort((a, b) => Number(a.hasSent) - Number(b.hasSent) || b.sinceSentMs - a.sinceSentMs)
      .slice(0, most)
      .filter((socket, index) => index < excess || (!socket.hasSent && socket.sinceSentMs > slowMs));
    for (const { descriptor, sinceSentMs } of gone) {
      // The descriptor may belong to another socket now, or the socket was answered since.
      const now = this.#accepted(descriptor) ? calls.activity(descriptor) : undefined;
      if (now === undefined || now.sinceSentMs < sinceSentMs) continue;
      calls.shutDown(descriptor);
      this.#closed++;
    }
    this.#log.warn(
      'api-sockets',
      { setting: '--api-sockets-max', sockets: this.#budget.taken, closing: gone.length },
      'the router API has too many sockets: closing those that have had no answer for the longest',
    );
  }
}
