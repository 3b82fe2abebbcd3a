import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Engine } from '../router/engine/engine.js';
import { type Config, ConfigError } from './config.js';

/**
 * The engine that the settings ask for.
 * @throws ConfigError for a file that cannot be read
 */
export async function engineOf(config: Config, log: Logger): Promise<Engine | undefined> {
  if (config.engine === 'embedded') return undefined;
  // Loaded where it is asked for: it weighs 3 MB.
  const { NatsEngine } = await import('../router/engine/nats.js');
  const { name, nodeName, nats, natsToken, natsCreds, natsPendingBytesMax, countWaitMs } = config;
  return new NatsEngine({
    name,
    node: { name: nodeName, group: '', role: 'both' },
    link: {
      servers: nats,
      token: natsToken === '' ? undefined : natsToken,
      credentialsFile: natsCreds === '' ? undefined : natsCreds,
      tls: tlsOf(config),
      unconfirmedBytesMax: natsPendingBytesMax,
    },
    countWaitMs,
    idBytesMax: config.idBytesMax,
    topicLevelsMax: config.topicLevelsMax,
    payloadBytesMax: Math.max(config.messageBytesMax, config.mqtt ? config.mqttMaxPacketSize : 0),
    onEvent: (event, detail) => {
      if (event === 'connected' || event === 'joined') log.info({ detail }, `nats: ${event}`);
      else log.warn({ detail }, `nats: ${event}`);
    },
  });
}

/** The client reads them only when it connects, and says no more than ENOENT. */
function tlsOf({ natsCaFile, natsCertFile, natsKeyFile }: Config) {
  const files = {
    '--nats-ca-file': natsCaFile,
    '--nats-cert-file': natsCertFile,
    '--nats-key-file': natsKeyFile,
  };
  for (const [flag, path] of Object.entries(files)) if (path !== '') assertReadable(flag, path);
  if (natsCaFile === '' && natsCertFile === '') return undefined;
  return {
    ...(natsCaFile === '' ? {} : { caFile: natsCaFile }),
    ...(natsCertFile === '' ? {} : { certFile: natsCertFile, keyFile: natsKeyFile }),
  };
}

function assertReadable(flag: string, path: string): void {
  try {
    readFileSync(path);
  } catch (cause) {
    throw new ConfigError(`${flag} ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}).`);
  }
}
