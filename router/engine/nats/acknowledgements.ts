import type { Msg } from '@nats-io/transport-node';

/** Sent to a stream and not acknowledged yet. Past it nothing is sent that wants to be. */
const pendingMax = 100_000;
const waitMs = 5_000;
/** Ticks are 250 ms apart. So late a tick comes before what was answered meanwhile is read from the socket. */
const standstillMsMin = 1_000;

interface Pending {
  readonly untilMs: number;
  readonly onStored: (stored: boolean) => void;
}

/** Messages of this node that a stream has still to say it has stored, by their sequence. */
export class Acknowledgements {
  /** In the order of their deadlines. */
  readonly #pending = new Map<number, Pending>();
  /** Refused, or not heard of in time. */
  failed = 0;
  #tickedMs = performance.now();

  get full(): boolean {
    return this.#pending.size >= pendingMax;
  }

  expect(sequence: number, onStored: (stored: boolean) => void): void {
    this.#pending.set(sequence, { untilMs: performance.now() + waitMs, onStored });
  }

  /** @param message on the reply subject whose last token is the sequence */
  hear({ subject, headers, data }: Msg): void {
    const sequence = Number(subject.slice(subject.lastIndexOf('.') + 1));
    const pending = this.#pending.get(sequence);
    if (pending === undefined) return;
    this.#pending.delete(sequence);
    // No stream answers "503" in a header; one that refuses says `{"error":…}`.
    const stored = headers === undefined && !Buffer.from(data).includes('"error"');
    this.#settle(pending, stored);
  }

  tick(nowMs: number): void {
    const stoodStill = nowMs - this.#tickedMs >= standstillMsMin;
    this.#tickedMs = nowMs;
    if (stoodStill) return;
    for (const [sequence, pending] of this.#pending) {
      if (pending.untilMs > nowMs) return;
      this.#pending.delete(sequence);
      this.#settle(pending, false);
    }
  }

  /** NATS is away: nobody will say. */
  failAll(): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of all) this.#settle(pending, false);
  }

  #settle({ onStored }: Pending, stored: boolean): void {
    if (!stored) this.failed++;
    onStored(stored);
  }
}
