import {
  connect,
  type Msg,
  type MsgCallback,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node';
import { remedyOf } from './access.js';
import { connectionOptions, type LinkOptions, withoutSecrets } from './connection-options.js';
import { EngineError } from './engine-error.js';

export type LinkEvent = 'connected' | 'lost' | 'error' | 'closed';
export type OnLinkEvent = (event: LinkEvent, detail: string) => void;

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
    const options = connectionOptions(this.#options);
    try {
      this.#connection = await connect(options);
    } catch (cause) {
      const servers = this.#options.servers.map(withoutSecrets).join(', ');
      const reason = reasonOf(cause).replace(/\.$/, '');
      throw new EngineError(
        `NATS at ${servers} cannot be reached or refuses: ${reason}. ${remedyOf(reason, options.tls !== undefined)}`,
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
      else if (status.type === 'error') this.#onEvent('error', status.error.message);
      else if (status.type === 'ldm') this.#onEvent('error', 'the server is going to stop');
    }
    if (!this.#stopping) this.#onEvent('closed', reasonOf(await connection.closed()));
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

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'no reason was given';
  const inner = cause.cause instanceof Error ? cause.cause.message : '';
  return [cause.message, inner].filter((text) => text !== '').join(': ');
}
