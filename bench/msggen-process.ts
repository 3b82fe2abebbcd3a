import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LatencySummary } from '../msggen/latency.js';

const door = fileURLToPath(new URL('../cli/encke.js', import.meta.url));

/** The summary of `encke msggen --json`. */
export interface MsggenSummary {
  sent: number;
  /** Null where nobody counts. */
  delivered: number | null;
  errorsTotal: number;
  errors: Record<string, number>;
  late: number;
  achievedPerSec: number;
  unanswered: number;
  /** From deadline to answer. */
  latencyMs: LatencySummary | null;
  cpuSec: number;
}

/** `encke msggen` in a process of its own. @throws Error when it ends without a summary */
export async function runMsggen(
  flags: readonly string[],
  onStart: (child: ChildProcess) => void = () => {},
): Promise<MsggenSummary> {
  const child = spawn(process.execPath, [door, 'msggen', ...flags, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onStart(child);
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  if (!said.startsWith('{')) throw new Error(`msggen ended with ${code}: ${said}`);
  return JSON.parse(said) as MsggenSummary;
}
