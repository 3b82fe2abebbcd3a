import type { SeededRandom } from '../../seeded-random.js';
import type { Bounds } from './truth.js';

/**
 * The cause of lost history in one run, besides later messages: chosen by the seed, so that four seeds have all causes.
 */
const strains = ['restarts', 'drops', 'age', 'bytes'] as const;
export type Strain = (typeof strains)[number];
export const strainCount = strains.length;

/** The settings of the servers of one run. */
export interface Conditions {
  readonly strain: Strain;
  readonly bounds: Bounds;
  readonly flags: readonly string[];
  readonly text: string;
}

const mib = 1024 * 1024;

export function conditionsOf(random: SeededRandom): Conditions {
  const strain = strains[random.seed % strains.length]!;
  const messages = random.pick([10, 100, 100]);
  const ageSec = strain === 'age' ? random.pick([2, 3]) : 86_400;
  const bytesMax = strain === 'bytes' ? random.pick([60_000, 600_000, messages * 30_000]) : 64 * mib;
  const pending = strain === 'drops' ? 65_536 : random.pick([65_536, mib, 16 * mib]);
  const drops = ['drop-newest', 'drop-oldest'];
  const policy = random.pick(strain === 'drops' ? drops : ['disconnect', 'disconnect', ...drops]);
  const flags = [
    ...['--log-level', 'error', '--drain-sec', '0', '--heartbeat-sec', '1'],
    ...['--history-rules', `none/# 0 0;# ${messages} ${ageSec}`, '--history-bytes-total-max', `${bytesMax}`],
    ...['--pending-bytes-max', `${pending}`, '--slow-consumer-policy', policy],
    ...['--batch-bytes-max', `${16 * mib}`],
  ];
  const text = `${strain}: ${messages} messages, ${ageSec} s, ${bytesMax} bytes; ${pending} bytes pending, then ${policy}`;
  return { strain, bounds: { messages, ageMs: ageSec * 1000, bytesMax }, flags, text };
}
