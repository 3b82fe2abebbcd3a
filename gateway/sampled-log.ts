import type { Logger } from 'pino';

const windowMs = 10_000;
const linesPerWindow = 5;

/**
 * Log lines that a peer can cause: at most five for each reason in ten seconds. The next line has the number of omitted
 * ones. Otherwise a reconnect storm would also be a storm of log lines.
 */
export class SampledLog {
  readonly #log: Logger;
  readonly #windows = new Map<string, { startedMs: number; lines: number; suppressed: number }>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param reason from a fixed list, so that there are few windows */
  warn(reason: string, fields: Record<string, unknown>, text: string): void {
    this.#write('warn', reason, fields, text);
  }

  info(reason: string, fields: Record<string, unknown>, text: string): void {
    this.#write('info', reason, fields, text);
  }

  #write(level: 'warn' | 'info', reason: string, fields: Record<string, unknown>, text: string): void {
    const now = performance.now();
    let window = this.#windows.get(reason);
    if (window === undefined || now - window.startedMs > windowMs) {
      const suppressed = window?.suppressed ?? 0;
      window = { startedMs: now, lines: 0, suppressed: 0 };
      this.#windows.set(reason, window);
      if (suppressed > 0) fields = { ...fields, suppressedBefore: suppressed };
    }
    if (window.lines >= linesPerWindow) {
      window.suppressed++;
      return;
    }
    window.lines++;
    this.#log[level]({ reason, ...fields }, text);
  }
}
