import type { SampledLog } from '../sampled-log.js';

/** A client id that is taken over this often within `windowMs` is fought over: a client that comes back by itself is not as fast. */
const takeoversMin = 5;
const windowMs = 60_000;
/** Client ids that are watched at the same time; past it those that were taken over longest ago are let go. */
const watchedMax = 10_000;

interface Fight {
  sinceMs: number;
  lastMs: number;
  takeovers: number;
  /** Of those that were thrown out, newest last. */
  addresses: string[];
}

/**
 * Two clients with one client id that come back by themselves throw each other out again and again. The log names them
 * once, and says no more of each of their takeovers until they have been calm for a minute.
 */
export class TakeoverLoops {
  readonly #log: SampledLog;
  readonly #fights = new Map<string, Fight>();
  /** Client ids that the log has named, counted each time that it has. */
  named = 0;

  constructor(log: SampledLog) {
    this.#log = log;
  }

  /**
   * A connection is about to lose its client id to another.
   * @returns whether the log may have a line of its own for it
   */
  note(clientId: string, address: string): boolean {
    const nowMs = performance.now();
    const fight = this.#fights.get(clientId);
    this.#fights.delete(clientId); // what is set anew is last: the map is in the order of the last takeovers
    if (fight === undefined || nowMs - this.#calmSince(fight) > windowMs) {
      this.#fights.set(clientId, { sinceMs: nowMs, lastMs: nowMs, takeovers: 1, addresses: [address] });
      this.#forgetOldest(nowMs);
      return true;
    }
    this.#fights.set(clientId, fight);
    fight.lastMs = nowMs;
    fight.takeovers++;
    fight.addresses = [...fight.addresses.filter((each) => each !== address), address].slice(-2);
    if (fight.takeovers === takeoversMin) this.#name(clientId, fight);
    return fight.takeovers < takeoversMin;
  }

  /** Once it is named it counts from its last takeover, before that from its first. */
  #calmSince(fight: Fight): number {
    return fight.takeovers < takeoversMin ? fight.sinceMs : fight.lastMs;
  }

  #name(clientId: string, { addresses, takeovers, sinceMs }: Fight): void {
    this.named++;
    this.#log.warn(
      'takeover-loop',
      { clientId, addresses, takeovers, sec: Math.ceil((performance.now() - sinceMs) / 1000) },
      'clients with the same client id throw each other out: give each its own. Further takeovers of it are only counted',
    );
  }

  #forgetOldest(nowMs: number): void {
    for (const [clientId, { lastMs }] of this.#fights) {
      if (this.#fights.size <= watchedMax && nowMs - lastMs <= windowMs) return;
      this.#fights.delete(clientId);
    }
  }
}
