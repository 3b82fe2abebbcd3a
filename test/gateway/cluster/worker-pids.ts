import type { GatewayProcess } from '../../gateway-process.js';

/** The workers of an `encke start --workers N`, as its supervisor's log has them. */

/** By number; the last start of each. */
export function workerPids(supervisor: GatewayProcess): Map<number, number> {
  const pids = new Map<number, number>();
  for (const line of supervisor.log.split('\n')) {
    const said = parse(line);
    if (said?.msg === 'worker started') pids.set(said.worker, said.workerPid);
  }
  return pids;
}

function parse(line: string): { msg?: string; worker: number; workerPid: number } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // a sentence, or a line that is being written
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
