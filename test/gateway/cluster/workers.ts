import type { Test } from 'tap';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { until } from '../../until.js';
import { ask, openStream, type Wire } from '../raw-wire.js';

/** A real `encke start --workers N`, and its workers, as its supervisor's log has them. */

let clusters = 0;

/** Flags of a cluster of its own. */
export function onEngine({ url }: { readonly url: string }): string[] {
  return ['--engine', 'redis', '--redis', url, '--name', `workers_${clusters++}`];
}

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

export async function untilGone(pids: readonly number[]): Promise<void> {
  await until('the workers have gone, too', () => !pids.some(isAlive), 30_000);
}

/** Workers of a cluster of its own; gone when the test ends. */
export async function startWorkers(
  t: Test,
  server: { readonly url: string },
  workers: number,
  flags: readonly string[] = [],
  role?: 'gateway' | 'router',
): Promise<GatewayProcess> {
  const all = ['--workers', `${workers}`, ...onEngine(server), '--drain-sec', '1', ...flags];
  const supervisor = await startGateway({ flags: all, ...(role === undefined ? {} : { role }) });
  t.teardown(async () => {
    await supervisor.kill();
    await untilGone([...workerPids(supervisor).values()]);
  });
  return supervisor;
}

/** The port does not say which worker will answer, so it is asked until all of these have. */
// biome-ignore lint/suspicious/noExplicitAny: what /stats holds is for the tests to say
export async function statsOf(supervisor: GatewayProcess): Promise<Map<number, any>> {
  const stats = new Map();
  const pids = [...workerPids(supervisor).values()];
  await until('each worker has told its numbers', async () => {
    const { json } = await ask(supervisor.apiPort, '/stats?scope=node');
    stats.set(json.pid, json);
    return pids.every((pid) => stats.has(pid));
  });
  return stats;
}

/** Opens streams, all of the same id, until each worker has some. */
export async function openOnAll(supervisor: GatewayProcess, id: string, atLeast = 1): Promise<Wire[]> {
  const wires: Wire[] = [];
  await until('each worker has streams', async () => {
    for (let n = 0; n < 10; n++) wires.push(await openStream(supervisor.port, `/stream/${id}`));
    const stats = await statsOf(supervisor);
    return [...stats.values()].every(({ connections }) => connections.open >= atLeast);
  });
  return wires;
}
