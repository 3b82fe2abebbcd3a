import type { Logger } from 'pino';
import type { Authenticator } from '../access/authenticator.js';
import { Graph } from '../router/graph/graph.js';
import { Router } from '../router/router.js';
import type { RouterOptions } from '../router/router-options.js';
import type { Config, ReadSettings } from './config.js';
import { openEngine } from './engine.js';
import { Gateway } from './gateway.js';
import { openProcessLog } from './log/process-log.js';
import { giveMemoryBack } from './memory.js';
import { limitsLine } from './memory-limits.js';
import type { OpenAdmin } from './operated-node.js';
import { ConfigReload } from './reload/config-reload.js';
import type { NodeRole } from './role.js';
import { SampledLog } from './sampled-log.js';
import { stopOnSignal } from './stop-signals.js';
import { welcome } from './welcome.js';
import { stopWithSupervisor, tellSupervisor, type Worker } from './workers/worker.js';

/**
 * Runs the process: opens router and gateway, says where they listen, and handles signals: SIGHUP reloads the settings,
 * others stop it gracefully.
 * @param worker the worker that this process is; undefined where no supervisor has started it
 * @param openAdmin opens the operator's listener, which is of the room above this one
 * @param readAgain reads the settings from their sources once more; it throws ConfigError
 * @throws ConfigError, EngineError, ListenError, StoreError
 */
export async function runGateway(
  config: Config,
  role: NodeRole,
  worker: Worker | undefined,
  openAdmin: OpenAdmin,
  readAgain: () => ReadSettings,
): Promise<void> {
  process.on('SIGHUP', () => {}); // one that comes during the start ends nothing
  const processLog = openProcessLog(config);
  const log = worker === undefined ? processLog.log : processLog.log.child({ worker: worker.number });
  let gateway: Gateway | undefined;
  let admin: Awaited<ReturnType<OpenAdmin>> | undefined;
  const engine = await openEngine(config, role, log, async (concerns) => gateway?.announceGap(concerns));
  const data = await openData(config, log);
  const router = new Router({
    ...engine,
    ...data,
    sendToFollowers: config.sendToFollowers,
    followerSendsBytesMax: config.followerSendsBytesMax,
    idBytesMax: config.idBytesMax,
    topicLevelsMax: config.topicLevelsMax,
    maxRetained: config.mqttMaxRetained,
    maxRetainedSize: config.mqttMaxRetainedSize,
    retainedBytesTotalMax: config.mqttRetainedBytesTotalMax,
  });
  const authenticators = await authenticatorsIn(config, log);
  gateway = new Gateway(router, config, log, role, processLog.writer, authenticators);
  const { shared } = gateway.operated;
  shared.access.makeAuthenticators = (next) => authenticatorsIn(next, log);
  const reload = new ConfigReload(config, role, shared.changes, readAgain, log);
  process.on('SIGHUP', () => void reload.reload());
  const stop = async (cause: string) => {
    log.info({ signal: cause, connections: gateway.connectionsOpen, drainSec: config.drainSec }, 'stopping');
    await gateway.stop();
    await admin?.stop();
    log.info('stopped');
    await processLog.exit(0);
  };
  // Signals are heeded from here on, so that one during the start is, too.
  if (worker === undefined) stopOnSignal(stop);
  else stopWithSupervisor(stop);
  await gateway.start();
  admin = await openAdmin({ ...gateway.operated, reload: () => reload.reload() }, log, worker);
  // Until its first full collection V8 allows the old generation over 100 MB, whatever is alive in it; after
  // one, the limit follows what is alive. And what loading has left behind goes.
  await giveMemoryBack();
  const { url, apiUrl } = gateway;
  const urls = { url, apiUrl, adminUrl: admin.url };
  if (worker === undefined) process.stdout.write(welcome(urls, config, role));
  else tellSupervisor(gateway.ports);
  log.info(limitsLine(config), 'limits summed: what they allow, and the room that there is');
  log.info(urls, 'listening');
}

/** Opens the graph and what else is kept with --data. @throws StoreError */
async function openData(config: Config, log: Logger): Promise<Pick<RouterOptions, 'graph' | 'stored'>> {
  const { data, graphBytesTotalMax, graphSubscriptionsMax, idBytesMax, topicLevelsMax } = config;
  const limits = {
    bytesMax: graphBytesTotalMax,
    subscriptionsMax: graphSubscriptionsMax,
    idBytesMax,
    topicLevelsMax,
  };
  if (data === '') return { graph: new Graph(limits) };
  const { openDirectory } = await import('../router/stored-state.js');
  return openDirectory(data, limits, (problem) => {
    if (problem === undefined) log.info({ data }, 'the disk takes everything again');
    else log.error({ data, problem }, 'nothing can be stored: publishers are refused until it can');
  });
}

/** The libraries of authenticators are loaded only where --auth is set. */
async function authenticatorsIn(config: Config, log: Logger): Promise<readonly Authenticator[]> {
  if (config.auth.length === 0) return [];
  const { authenticatorsOf } = await import('./authenticators.js');
  return authenticatorsOf(config, new SampledLog(log));
}
