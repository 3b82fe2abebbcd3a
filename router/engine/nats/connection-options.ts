import type { ConnectionOptions } from '@nats-io/transport-node';
import { type Access, accessOptions } from '../../../nats-access/access.js';
import { FileError } from '../../../redis-access/named-file.js';
import { EngineError } from './engine-error.js';

/** How to reach NATS; servers that are not named are learnt from those that are. */
export interface LinkOptions extends Access {
  /** What this connection is called in NATS's own monitoring. */
  connectionName: string;
  /** Published and not yet known to be at the server, bytes; past it nothing more is taken. */
  unconfirmedBytesMax: number;
}

/** For a server that sends and does not answer; one that is silent is noticed sooner, see Link. The client's default is 4 minutes. */
const pingIntervalMs = 10_000;
const pingsUnansweredMax = 2;
const connectTimeoutMs = 5_000;
/** Between two tries at one server. The random part keeps a whole cluster from coming back in one moment. */
const reconnectWaitMs = 250;
const reconnectJitterMs = 250;

/** @throws EngineError for a file that cannot be read */
export function connectionOptions(options: LinkOptions): ConnectionOptions {
  return {
    ...accessOf(options),
    name: options.connectionName,
    noEcho: true, // what this node publishes it hands out itself
    noAsyncTraces: true,
    timeout: connectTimeoutMs,
    pingInterval: pingIntervalMs,
    maxPingOut: pingsUnansweredMax,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => reconnectWaitMs + Math.random() * reconnectJitterMs,
    ignoreAuthErrorAbort: true, // credentials may be renewed while it tries
  };
}

function accessOf(access: Access): ConnectionOptions {
  try {
    return accessOptions(access);
  } catch (error) {
    throw error instanceof FileError ? new EngineError(error.message, { cause: error }) : error;
  }
}
