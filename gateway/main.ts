import { pino } from 'pino';
import { Router } from '../router/router.js';
import type { Config } from './config.js';
import { carrierOf } from './engine.js';
import { Gateway } from './gateway.js';
import { keepYoungGenerationSmall } from './memory.js';
import { giveMemoryBack } from './reclaim.js';
import type { NodeRole } from './role.js';

/**
 * The process: config -> router -> gateway; says where it listens; signals; graceful stop.
 * @throws ConfigError, EngineError, ListenError
 */
export async function runGateway(config: Config, role: NodeRole): Promise<void> {
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }));
  let gateway: Gateway | undefined;
  const carrier = await carrierOf(config, role, log, (concerns) => gateway?.announceGap(concerns));
  const router = new Router({
    ...carrier,
    idBytesMax: config.idBytesMax,
    topicLevelsMax: config.topicLevelsMax,
    maxRetained: config.mqttMaxRetained,
    maxRetainedSize: config.mqttMaxRetainedSize,
    retainedBytesTotalMax: config.mqttRetainedBytesTotalMax,
  });
  gateway = new Gateway(router, config, log, role);
  // From here on, so that a signal during the start is heeded too.
  stopOnSignal(async (signal) => {
    const { open } = gateway.stats.all().connections;
    log.info({ signal, connections: open, drainSec: config.drainSec }, 'stopping');
    await gateway.stop();
    log.info('stopped');
    process.exit(0);
  });
  await gateway.start();
  keepYoungGenerationSmall();
  // Until its first full collection V8 allows the old generation over 100 MB, whatever is alive in it; after
  // one, the limit follows what is alive. And what loading has left behind goes.
  await giveMemoryBack();
  process.stdout.write(welcome(gateway, config, role));
  log.info({ url: gateway.url, apiUrl: gateway.apiUrl }, 'listening');
}

/** Where to go next: everything a newcomer needs is these lines. */
function welcome({ url, apiUrl }: Gateway, { apiToken, name }: Config, role: NodeRole): string {
  const token = apiToken === '' ? '' : `-H 'Authorization: Bearer <token>' `;
  if (role === 'gateway')
    return `
  Encke's gateway is up.

    gateway     ${url}
    probes      ${apiUrl}

  Send through a router of "${name}", for instance one that is started with "encke router".

`;
  if (role === 'router')
    return `
  Encke's router is up.

    router API  ${apiUrl}
    on NATS     ${name}.send.<id>

  Try:

    curl ${token}-d 'Hello World' ${apiUrl}/send/123

`;
  return `
  Encke is up.

    gateway     ${url}
    router API  ${apiUrl}

  Open  ${url}/test/123  in a browser, and then try:

    curl ${token}-d 'Hello World' ${apiUrl}/send/123

`;
}

/** The first signal stops gracefully, the second at once. */
function stopOnSignal(stop: (signal: NodeJS.Signals) => Promise<void>): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping = true;
    stop(signal);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
