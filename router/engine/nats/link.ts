import { readFileSync } from 'node:fs';
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type Msg,
  type MsgCallback,
  type NatsConnection,
  type Subscription,
  type TlsOptions,
} from '@nats-io/transport-node';

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
  tls?: { caFile?: string; certFile?: string; keyFile?: string } | undefined;
  /** Published and not yet known to be at the server, bytes; past it nothing more is taken. */
  unconfirmedBytesMax: number;
}

/** `changed`: servers have come to the NATS cluster, or left it. */
export type LinkEvent = 'connected' | 'lost' | 'changed' | 'error' | 'closed';
export type OnLinkEvent = (event: LinkEvent, detail: string) => void;

/** NATS cannot be reached, or refuses, or is not fit. The message says how to mend it. */
export class EngineError extends Error {
  readonly code = 'ERR_ENCKE_ENGINE';
  override readonly name = 'EngineError';
}

/** A dead server is noticed after two of these; the client's default is 4 minutes. */
const pingIntervalMs = 2_000;
const pingsUnansweredMax = 2;
const connectTimeoutMs = 5_000;
/** Between two tries at one server. The random part keeps a whole cluster from coming back in one moment. */
const reconnectWaitMs = 250;
const reconnectJitterMs = 250;
/** After so much the server is asked whether it has it all. */
const confirmBytes = 256 * 1024;

/**
 * The one connection of this process to NATS. Knows nothing of what is carried; reconnects by itself and for ever, and
 * subscribes anew by itself.
 *
 * While it is away nothing is published, as the client would keep it in memory without a bound and deliver it late.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #onEvent: OnLinkEvent;
  #connection: NatsConnection | undefined;
  #connected = false;
  #stopping = false;
  /** Since the last question, and asked about. */
  #unasked = 0;
  #asked = 0;
  /** Counts connections: an answer to a question of an earlier one means nothing. */
  #life = 0;
  reconnects = 0;
  /** Not published as NATS was away, or behind. */
  refused = 0;

  constructor(options: LinkOptions, onEvent: OnLinkEvent) {
    this.#options = options;
    this.#onEvent = onEvent;
  }

  /** @throws EngineError */
  async open(): Promise<void> {
    const { servers } = this.#options;
    try {
      this.#connection = await connect(connectionOptions(this.#options));
    } catch (cause) {
      if (cause instanceof EngineError) throw cause;
      throw new EngineError(
        `NATS at ${servers.map(withoutSecrets).join(', ')} cannot be reached or refuses: ${reasonOf(cause)}. Start it with "nats-server -js", or name another with --nats.`,
        { cause },
      );
    }
    this.#connected = true;
    this.#watch(this.#connection);
  }

  /** Whether NATS is there, and takes what is published. */
  get carries(): boolean {
    return this.#connected && this.#unasked + this.#asked <= this.#options.unconfirmedBytesMax;
  }

  get connected(): boolean {
    return this.#connected;
  }

  get connection(): NatsConnection {
    return this.#connection!;
  }

  /** Of the server that it is connected to now. */
  get server(): string {
    return withoutSecrets(this.#connection?.getServer() ?? '');
  }

  /** The largest message that the server takes, bytes. */
  get payloadBytesMax(): number {
    return this.#connection?.info?.max_payload ?? 0;
  }

  /** @returns false = not published, and counted */
  publish(subject: string, data: Uint8Array, reply?: string): boolean {
    if (!this.carries) {
      this.refused++;
      return false;
    }
    if (reply === undefined) this.#connection!.publish(subject, data);
    else this.#connection!.publish(subject, data, { reply });
    this.#unasked += subject.length + data.length;
    if (this.#unasked >= confirmBytes) this.#confirm();
    return true;
  }

  /** @param queue one of all who name it gets each message */
  subscribe(subject: string, callback: MsgCallback<Msg>, queue?: string): Subscription {
    return this.#connection!.subscribe(subject, queue === undefined ? { callback } : { callback, queue });
  }

  /** Resolves when the server has had all that was published and subscribed; false = it went away meanwhile. */
  async flush(): Promise<boolean> {
    if (!this.#connected) return false;
    return this.#connection!.flush().then(
      () => true,
      () => false,
    );
  }

  /** What is on its way goes out before. */
  async close(): Promise<void> {
    this.#stopping = true;
    if (this.#connected) await Promise.race([this.flush(), this.#connection!.closed()]);
    this.#connected = false;
    await this.#connection?.close();
  }

  /** In each tick. */
  tick(): void {
    if (this.#connected && this.#unasked > 0) this.#confirm();
  }

  #confirm(): void {
    const bytes = this.#unasked;
    const life = this.#life;
    this.#unasked = 0;
    this.#asked += bytes;
    this.flush().then(() => {
      if (life === this.#life) this.#asked -= bytes;
    });
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (this.#stopping) continue;
      if (status.type === 'disconnect') this.#lose(status.server);
      else if (status.type === 'reconnect') this.#regain(status.server);
      else if (status.type === 'update') this.#change(status.added, status.deleted);
      else if (status.type === 'error') this.#onEvent('error', status.error.message);
      else if (status.type === 'ldm') this.#onEvent('error', 'the server is going to stop');
    }
    if (!this.#stopping) this.#onEvent('closed', reasonOf(await connection.closed()));
  }

  #change(added: readonly string[] = [], deleted: readonly string[] = []): void {
    if (!this.#connected) return;
    this.#onEvent(
      'changed',
      [...added.map((url) => `+${url}`), ...deleted.map((url) => `-${url}`)].join(' '),
    );
  }

  #lose(server: string): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#life++;
    this.#unasked = 0;
    this.#asked = 0;
    this.#onEvent('lost', withoutSecrets(server));
  }

  #regain(server: string): void {
    this.#connected = true;
    this.reconnects++;
    this.#onEvent('connected', withoutSecrets(server));
  }
}

/**
 * What `subscribe` wants. To be made once for many subscriptions: one for each of 18,000 ids is 1 MB. The client stops
 * reading when a callback throws; so an error of ours ends the process from outside of it.
 */
export function receiver(onMessage: (message: Msg) => void): MsgCallback<Msg> {
  return (refusal, message) => {
    if (refusal !== null) return; // told as an event of the link
    try {
      onMessage(message);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

function connectionOptions(options: LinkOptions): ConnectionOptions {
  return {
    servers: [...options.servers],
    name: options.connectionName,
    noEcho: true, // what this node publishes it hands out itself
    noAsyncTraces: true,
    timeout: connectTimeoutMs,
    pingInterval: pingIntervalMs,
    maxPingOut: pingsUnansweredMax,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => reconnectWaitMs + Math.random() * reconnectJitterMs,
    ignoreAuthErrorAbort: true, // credentials may be renewed while it tries
    ...accessOf(options),
    ...(options.tls === undefined ? {} : { tls: options.tls as TlsOptions }),
  };
}

function accessOf({ credentialsFile, token }: LinkOptions): {
  token?: string;
  authenticator?: Authenticator;
} {
  if (token !== undefined) return { token };
  if (credentialsFile === undefined) return {};
  try {
    return { authenticator: credsAuthenticator(readFileSync(credentialsFile)) };
  } catch (cause) {
    throw new EngineError(
      `The credentials file ${credentialsFile} cannot be read (${(cause as NodeJS.ErrnoException).code}): --nats-creds names the file that nsc wrote.`,
      { cause },
    );
  }
}

function withoutSecrets(server: string): string {
  return server.replace(/\/\/[^@/]*@/, '//');
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'no reason was given';
  const inner = cause.cause instanceof Error ? cause.cause.message : '';
  return [cause.message, inner].filter((text) => text !== '').join(': ');
}
