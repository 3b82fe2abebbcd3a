import { type SocketActivity, socketCalls } from './libc.js';
import type { SampledLog } from './sampled-log.js';
import type { SocketBudget } from './socket-budget.js';

/** Descriptors that are looked at in one turn: 1 ms. */
const descriptorsPerTurn = 1_000;
/** Sockets that come meanwhile have room beyond the target, so a flood need not be looked at anew for each of its sockets. */
const batchMs = 100;
/** Without an answer for so long, a socket waits for a head or a body that dawdles. */
const dawdlesMs = 1_000;

interface Socket extends SocketActivity {
  readonly descriptor: number;
}

/**
 * Closes sockets of the router API when there are too many, so that it never has to stop listening: heads that dawdle
 * would otherwise lock out senders and probes, before their token is looked at. uWS does not tell which socket a request
 * came on; but the kernel knows when something was sent on each, and how long ago it was accepted where nothing ever was.
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
   * @param accepted whether a socket was accepted by the router API: another listener may have its port, on another address
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
        const activity = calls.activity(descriptor); // none of the socket that listens
        if (activity !== undefined) found.push({ descriptor, ...activity });
      }
      if (end < this.#descriptorsMax()) return void setImmediate(step, end);
      this.#looking = false;
      this.#closeLongestIdle(found);
    };
    setTimeout(step, batchMs, 0);
  }

  /** Those that never had an answer go first, and all of them that dawdle, up to a quarter of what there is. */
  #closeLongestIdle(found: readonly Socket[]): void {
    const calls = socketCalls()!;
    const excess = this.#budget.overTarget;
    if (excess === 0) return;
    const most = excess + Math.ceil(found.length / 4);
    const gone = [...found]
      .sort((a, b) => Number(a.hasSent) - Number(b.hasSent) || b.sinceSentMs - a.sinceSentMs)
      .slice(0, most)
      .filter((socket, index) => index < excess || (!socket.hasSent && socket.sinceSentMs > dawdlesMs));
    for (const { descriptor, sinceSentMs } of gone) {
      // It may be another socket by now, or one that was answered since.
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
