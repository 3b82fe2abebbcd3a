const width = 30;
const intervalMs = 250;
const eraseLine = '\r\x1b[K';

export interface ProgressNow {
  readonly done: number;
  /** The share that is done, from 0 to 1; undefined where nobody knows how much there is. */
  readonly share: number | undefined;
  readonly bad?: number;
}

/** A line that a terminal shows, written anew four times a second; nothing where standard error is no terminal. */
export class ProgressBar {
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(unit: string, read: () => ProgressNow) {
    if (!process.stderr.isTTY) return;
    this.#timer = setInterval(
      () => process.stderr.write(`${eraseLine}${this.#line(unit, read())}`),
      intervalMs,
    );
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    process.stderr.write(eraseLine);
  }

  #line(unit: string, { done, share, bad = 0 }: ProgressNow): string {
    const sec = (performance.now() - this.#startedMs) / 1000;
    const parts = [
      `${done.toLocaleString('en')} ${unit}`,
      `${Math.round(done / sec).toLocaleString('en')}/s`,
      ...(bad > 0 ? [`${bad.toLocaleString('en')} bad lines`] : []),
    ];
    if (share === undefined) return parts.join(', ');
    const filled = Math.round(Math.min(1, share) * width);
    if (share > 0) parts.push(`${Math.ceil((sec / share) * (1 - share))} s left`);
    return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${Math.floor(share * 100)} % ${parts.join(', ')}`;
  }
}

/** Writes a line to standard error, where a bar may stand: the bar is then drawn anew below it. */
export function writeAboveBar(line: string): void {
  process.stderr.write(`${process.stderr.isTTY ? eraseLine : ''}${line}\n`);
}
