const barWidth = 30;
const drawnEveryMs = 200;
/** Where standard error is no terminal: a line for each of so many parts. */
const parts = 10;

/** A bar on standard error: `[######     ] 43 %  6,450,000 edges  210,000/s  41 s left`. */
export class ProgressBar {
  readonly #total: number;
  readonly #startedAt: number;
  readonly #startedMs = performance.now();
  #drawnMs = 0;
  #part = 0;

  /** @param total units of work; `done` of them were done before */
  constructor(total: number, done = 0) {
    this.#total = Math.max(1, total);
    this.#startedAt = done;
    this.#part = Math.floor((done / this.#total) * parts);
  }

  /** @param edges done since the start */
  show(done: number, edges: number): void {
    const nowMs = performance.now();
    const part = Math.floor((done / this.#total) * parts);
    if (process.stderr.isTTY ? nowMs - this.#drawnMs < drawnEveryMs : part === this.#part) return;
    this.#drawnMs = nowMs;
    this.#part = part;
    const share = Math.min(1, done / this.#total);
    const sec = Math.max(0.001, (nowMs - this.#startedMs) / 1000);
    const leftSec = Math.ceil(((this.#total - done) * sec) / Math.max(1, done - this.#startedAt));
    const bar = '#'.repeat(Math.round(share * barWidth)).padEnd(barWidth);
    const rate = Math.round(edges / sec).toLocaleString('en');
    const text = `[${bar}] ${Math.floor(share * 100)} %  ${edges.toLocaleString('en')} edges  ${rate}/s  ${leftSec} s left`;
    process.stderr.write(process.stderr.isTTY ? `\r${text.padEnd(79)}` : `${text}\n`);
  }

  /** Removes the bar. */
  end(): void {
    if (process.stderr.isTTY) process.stderr.write(`\r${''.padEnd(79)}\r`);
  }
}
