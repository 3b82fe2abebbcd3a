import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import {
  connect,
  type Msg,
  type MsgCallback,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node';
import { withoutUser } from '../../../nats-access/access.js';
import { remedyOf } from '../../../nats-access/remedy.js';
import { connectionOptions, type LinkOptions } from './connection-options.js';
import { EngineError } from './engine-error.js';
import { lightened } from './light-subscription.js';
import { Pulse } from './pulse.js';

/**
 * `slow`: the connection was lost as this node did not read what it was sent; told when it is back.
 * `changed`: servers have come to the NATS cluster, or left it.
 */
export type LinkEvent = 'connected' | 'lost' | 'slow' | 'changed' | 'error' | 'closed';
export type OnLinkEvent = (event: LinkEvent, detail: string) => void;

/** Nothing has come for so long, though it was asked: it is dead. A busy one still sends, and is left alone. */
const silenceMsMax = 5_000;
/** After so much the server is asked whether it has it all. */
const confirmBytes = 256 * 1024;
/** What is on its way at the end has this long to get out; a server that does not read would keep the process for ever. */
const closeWaitMs = 2_000;
/** A connection that is found closed so soon after a standstill of this process was closed because of it. */
const standstillEchoMs = 2_000;

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
  /** Its server has not answered pings, or has said what it minds. */
  #silent = false;
  #complaint = '';
  /** How long this process had stood still before the connection was lost, where it had. */
  #stoodStillMs = 0;
  #pulse = new Pulse(performance.now());
  /** When something came last, and how many messages had come by then; whether it is asked right now. */
  #heardMs = 0;
  #heardMsgs = 0;
  #asks = false;
  reconnects = 0;
  /** Times that the server ended the connection as this node did not read. */
  slowConsumer = 0;

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
      const servers = this.#options.servers.map(withoutUser).join(', ');
      const reason = reasonOf(cause).replace(/\.$/, '');
      throw new EngineError(
        `NATS at ${servers} cannot be reached or refuses: ${reason}. ${remedyOf(reason, options.tls !== undefined)}`,
        { cause },
      );
    }
    this.#connected = true;
    this.#pulse = new Pulse(performance.now());
    this.#heard(performance.now());
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
    return withoutUser(this.#connection?.getServer() ?? '');
  }

  /** The largest message that the server takes, bytes. */
  get payloadBytesMax(): number {
    return this.#connection?.info?.max_payload ?? 0;
  }

  /** @returns false = not published */
  publish(subject: string, data: Uint8Array, reply?: string): boolean {
    if (!this.carries || data.length > this.payloadBytesMax) return false;
    if (reply === undefined) this.#connection!.publish(subject, data);
    else this.#connection!.publish(subject, data, { reply });
    this.#unasked += subject.length + data.length;
    if (this.#unasked >= confirmBytes) this.#confirm();
    return true;
  }

  /** @param queue one of all who name it gets each message @returns undefined after the end */
  subscribe(subject: string, callback: MsgCallback<Msg>, queue?: string): Subscription | undefined {
    if (this.#stopping || this.#connection!.isClosed()) return undefined;
    const options = queue === undefined ? { callback } : { callback, queue };
    return lightened(this.#connection!.subscribe(subject, options));
  }

  /** Resolves when the server has had all that was published and subscribed; false = it went away meanwhile. */
  async flush(): Promise<boolean> {
    if (!this.#connected) return false;
    return this.#connection!.flush().then(
      () => true,
      () => false,
    );
  }

  /** What is on its way goes out before, where the server takes it. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#stopping = true;
    if (connection === undefined || connection.isClosed()) return;
    const flushed = this.#connected && (await Promise.race([this.flush(), after(closeWaitMs)]));
    this.#connected = false;
    if (flushed !== true) dropSocket(connection);
    await connection.close();
  }

  /** In each tick. */
  tick(): void {
    if (this.#connected && this.#unasked > 0) this.#confirm();
  }

  /** In each beat. @returns whether this process has stood still since the last one */
  beat(nowMs: number): boolean {
    const stoodStill = this.#pulse.beat(nowMs);
    if (this.#connected) this.#listen(nowMs, stoodStill);
    return stoodStill;
  }

  #listen(nowMs: number, stoodStill: boolean): void {
    const { inMsgs } = this.#connection!.stats();
    // After a standstill what has come meanwhile is not read yet.
    if (stoodStill || inMsgs !== this.#heardMsgs) this.#heard(nowMs);
    this.#heardMsgs = inMsgs;
    if (nowMs - this.#heardMs > silenceMsMax) return this.#giveUp(this.#connection!);
    if (this.#asks) return;
    this.#asks = true;
    const life = this.#life;
    this.flush().then((answered) => {
      if (life !== this.#life) return;
      this.#asks = false;
      if (answered) this.#heard(performance.now());
    });
  }

  #heard(nowMs: number): void {
    this.#heardMs = Math.max(this.#heardMs, nowMs);
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
      else if (status.type === 'staleConnection') this.#giveUp(connection);
      else if (status.type === 'update') this.#change(status.added, status.deleted);
      else if (status.type === 'error') this.#complain(status.error.message);
      else if (status.type === 'ldm') this.#onEvent('error', 'the server is going to stop');
    }
    this.#connected = false;
    if (!this.#stopping) this.#onEvent('closed', reasonOf(await connection.closed()));
  }

  #giveUp(connection: NatsConnection): void {
    this.#silent = true;
    dropSocket(connection);
  }

  #complain(complaint: string): void {
    this.#complaint = complaint;
    this.#onEvent('error', complaint);
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
    const why = this.#silent ? 'it does not answer' : this.#complaint;
    this.#stoodStillMs = why === '' ? this.#pulse.standstillMs(performance.now(), standstillEchoMs) : 0;
    this.#connected = false;
    this.#life++;
    this.#unasked = 0;
    this.#asked = 0;
    this.#silent = false;
    this.#complaint = '';
    this.#onEvent('lost', why === '' ? withoutUser(server) : `${withoutUser(server)}: ${why}`);
  }

  /** The client (3.3.1) was seen to say it twice for one loss, 3 ms apart: all would be read anew once more. */
  #regain(server: string): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#asks = false;
    this.#heard(performance.now());
    this.reconnects++;
    this.#onEvent('connected', withoutUser(server));
    if (this.#stoodStillMs > 0) this.#tellSlow();
  }

  /** NATS says nothing to a slow consumer: it logs it, and closes its connection (10 s or 64 MB behind, by default). */
  #tellSlow(): void {
    this.slowConsumer++;
    const sec = (this.#stoodStillMs / 1_000).toFixed(1);
    this.#onEvent(
      'slow',
      `this node stood still for ${sec} s, and NATS ended its connection meanwhile (slow consumer): what was sent to it in that time is lost.`,
    );
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

/**
 * Before it lets go of a connection, the client waits until its last bytes are written; to a server that does not read
 * they never are. It has no call for that (3.3.1: NodeTransport._closed). A reset, so that the kernel does not deliver
 * them late either, behind what is published on the next connection. Node cannot reset a socket that is being ended
 * (EINVAL), and never closes it then.
 */
function dropSocket(connection: NatsConnection): void {
  const { protocol } = connection as unknown as { protocol: { transport: { socket?: Socket } } };
  const { socket } = protocol.transport;
  if (socket?.writable && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
  else socket?.destroy();
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'no reason was given';
  const inner = cause.cause instanceof Error ? cause.cause.message : '';
  return [cause.message, inner].filter((text) => text !== '').join(': ');
}
