import type { ConnectionOptions } from '@nats-io/transport-node';
import { accessOf, type TlsFiles, tlsOptionsOf } from './access.js';

/** How to reach NATS. */
export interface LinkOptions {
  /** `nats://host:port`, any number of one NATS cluster; the others are learnt from it. */
  servers: readonly string[];
  /** What this connection is called in NATS's own monitoring. */
  connectionName: string;
  /** File of a user's JWT and seed, as `nsc` writes it. */
  credentialsFile?: string | undefined;
  /** The URL's user and password, or a token, go without these. */
  token?: string | undefined;
  tls?: TlsFiles | undefined;
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
  const { servers, token, credentialsFile, tls } = options;
  return {
    servers: servers.map(withoutSecrets),
    name: options.connectionName,
    noEcho: true, // what this node publishes it hands out itself
    noAsyncTraces: true,
    timeout: connectTimeoutMs,
    pingInterval: pingIntervalMs,
    maxPingOut: pingsUnansweredMax,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => reconnectWaitMs + Math.random() * reconnectJitterMs,
    ignoreAuthErrorAbort: true, // credentials may be renewed while it tries
    ...accessOf(servers, token, credentialsFile),
    ...tlsOptionsOf(servers, tls),
  };
}

export function withoutSecrets(server: string): string {
  return server.replace(/\/\/[^@/]*@/, '//');
}
