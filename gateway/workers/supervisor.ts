import type { Config, ReadSettings } from '../config.js';
import { assertFree, knownAddressesOf, listenAddressesOf, urlOf } from '../listen-address.js';
import { openProcessLog } from '../log/process-log.js';
import { commandOf, holdsConnections, type NodeRole } from '../role.js';
import { stopOnSignal } from '../stop-signals.js';
import { welcome } from '../welcome.js';
import type { ListeningPorts } from './worker.js';
import { WorkerFailed, WorkerPool } from './worker-pool.js';

/**
 * The supervisor of `--workers N`. It takes no connections and does not load uWS. Its workers listen on the same ports
 * with SO_REUSEPORT, and the kernel spreads connections over them.
 *
 * SIGHUP has all workers read their settings again, where the supervisor itself finds them good.
 *
 * SIGTERM or SIGINT drains all workers, and a second signal ends them at once. When the supervisor is killed, the
 * workers drain by themselves.
 *
 * @throws ListenError
 */
export async function superviseWorkers(
  config: Config,
  role: NodeRole,
  readAgain: () => ReadSettings,
): Promise<void> {
  const { log, exit } = openProcessLog(config);
  // With SO_REUSEPORT the workers would share a port with any other program that uses the option.
  await assertFree(knownAddressesOf(config, role));
  const pool = new WorkerPool({
    size: config.workers,
    nodeName: config.nodeName,
    command: process.argv.slice(1),
    environment: process.env,
    log,
  });
  const stop = async (signal: NodeJS.Signals) => {
    log.info({ signal, workers: config.workers, drainSec: config.drainSec }, 'stopping the workers');
    const failures = await pool.stop();
    log.info({ failures }, 'stopped');
    await exit(failures === 0 ? 0 : 1);
  };
  process.on('SIGHUP', () => {
    try {
      log.level = readAgain().config.logLevel;
    } catch (error) {
      log.error({ problem: (error as Error).message }, 'the settings are not taken: nothing has changed');
      return;
    }
    pool.reload();
  });
  stopOnSignal(stop, () => pool.kill());
  const ports = await startAll(pool, commandOf[role]);
  if (ports === undefined) return;
  const { gateway, api, admin } = listenAddressesOf(config, role);
  const url = holdsConnections(role) ? urlOf(gateway, ports.port) : undefined;
  const apiUrl = urlOf(api, ports.apiPort);
  const adminUrl =
    config.admin === 'true' && admin !== undefined ? urlOf(admin, config.adminPort) : undefined;
  process.stdout.write(welcome({ url, apiUrl, adminUrl }, config, role));
  log.info({ url, apiUrl, workers: config.workers }, 'workers listening');
}

/** @returns undefined when a signal arrived meanwhile, which ends the process */
async function startAll(pool: WorkerPool, command: string): Promise<ListeningPorts | undefined> {
  try {
    return await pool.start();
  } catch (error) {
    if (!(error instanceof WorkerFailed)) throw error;
    if (pool.stopping) return undefined;
    const { code } = error.end;
    // A worker that ends with code 1 or 2 has said why.
    if (code !== 1 && code !== 2) process.stderr.write(`encke ${command}: ${error.message}.\n`);
    await pool.stop();
    process.exit(code || 1);
  }
}
