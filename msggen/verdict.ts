/** Compares a run with the limits of `--fail-on`, for the exit code. */
import { type LatencyHistogram, latencyText } from './latency.js';

export interface LatencyLimit {
  /** The name in the flag, such as p99. */
  name: string;
  percent: number;
  atMostMs: number;
}

export interface FailOn {
  loss: boolean;
  errors: boolean;
  latency: LatencyLimit[];
}

export interface Done {
  /** Kinds of losses and errors, and how many of each. */
  losses: Record<string, number>;
  errors: Record<string, number>;
  latency: LatencyHistogram;
}

/** Exit code of a run that broke a limit. A run that did nothing at all has 1. */
export const FAILED_EXIT_CODE = 3;

/** @returns a sentence for each broken limit */
export function verdictOf(failOn: FailOn, { losses, errors, latency }: Done): string[] {
  const sentences: string[] = [];
  if (failOn.loss) sentences.push(...countsIn('loss', losses));
  if (failOn.errors) sentences.push(...countsIn('errors', errors));
  for (const { name, percent, atMostMs } of failOn.latency) {
    const ms = latency.percentileMs(percent);
    if (ms === undefined) {
      sentences.push(`--fail-on ${name}: no latency was measured.`);
    } else if (ms > atMostMs) {
      sentences.push(`--fail-on ${name}: ${latencyText(ms)} ms, which is more than ${atMostMs} ms.`);
    }
  }
  return sentences;
}

function countsIn(condition: string, counts: Record<string, number>): string[] {
  const met = Object.entries(counts).filter(([, count]) => count > 0);
  if (met.length === 0) return [];
  return [`--fail-on ${condition}: ${met.map(([what, count]) => `${count} ${what}`).join(', ')}.`];
}
