/** `--fail-on`: the limits of a run, which decide its exit code. */
import { InvalidArgumentError } from 'commander';
import type { FailOn } from '../msggen/verdict.js';
import { durationMs } from './flag-values.js';

export const FAIL_ON_HELP = 'exit with 3 on loss, errors or a latency: loss,errors,p99=50ms,max=2s';

const LATENCY = /^(p(\d{1,2}(?:\.\d+)?)|max)=(.+)$/;

export function failOnOf(text: string): FailOn {
  const failOn: FailOn = { loss: false, errors: false, latency: [] };
  for (const part of text.split(',')) {
    const [, name, percent, duration] = LATENCY.exec(part) ?? [];
    if (part === 'loss' || part === 'errors') {
      failOn[part] = true;
    } else if (name !== undefined && duration !== undefined && percent !== '0') {
      failOn.latency.push({ name, percent: Number(percent ?? 100), atMostMs: durationMs(duration) });
    } else {
      throw new InvalidArgumentError(
        'Give loss, errors or a percentile and its limit, or several of them, such as loss,errors,p99=50ms,max=2s.',
      );
    }
  }
  return failOn;
}
