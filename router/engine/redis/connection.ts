import { setTimeout as pause } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';

/** Of what is waited before the next try; up to as much again is added by chance, so that nodes do not come all at once. */
const retryMs = { first: 50, most: 500 };
/** For connecting and logging in: a server that stands still takes connections and says nothing. */
const handshakeMsMax = 2_000;
/** How often the server is asked whether it is there. */
const pingMs = 500;
/** So long nothing may come from it. */
export const silenceMsMax = 1_500;

/** A message of a channel: views of what was read. */
export type OnMessage = (channel: Buffer, payload: Buffer) => void;

export interface ConnectionHooks {
  /** Absent where it is subscribed to nothing. */
  readonly onMessage?: OnMessage;
  /** Before it counts as open. Rejects where the server is not fit; then it is tried again. */
  onOpen(redis: Redis): Promise<void>;
  onLost(reason: string): void;
  /** Opening has failed once more. */
  onFailed(error: Error): void;
}

/**
 * A connection that is opened anew when it is lost, by a Redis object of its own each time: ioredis itself would send
 * again what was under way, which may have run.
 */
export class RedisConnection {
  readonly #options: RedisOptions;
  readonly #hooks: ConnectionHooks;
  #redis: Redis | undefined;
  #open = false;
  #started = false;
  #closed = false;
  #tries = 0;
  #retry: NodeJS.Timeout | undefined;
  /** There is a server, which may not be fit yet. */
  #connected = false;
  #pingedMs = 0;
  /** When something has come from it; as of performance.now(). */
  heardMs = 0;
  opened = 0;

  constructor(options: RedisOptions, hooks: ConnectionHooks) {
    this.#options = {
      ...options,
      lazyConnect: true,
      connectTimeout: handshakeMsMax,
      retryStrategy: () => null,
      sentinelRetryStrategy: () => null,
      enableOfflineQueue: false,
      enableReadyCheck: false, // `begin` says more
      maxRetriesPerRequest: 0,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      disableClientInfo: true, // not in Redis 7.0
    };
    this.#hooks = hooks;
  }

  /** While it is open. */
  get redis(): Redis | undefined {
    return this.#open ? this.#redis : undefined;
  }

  /** Tries for ever, from now on. A second call does nothing. */
  start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    void this.#connect();
  }

  /** Starts the connection. @returns undefined if it is not open by then */
  async whenOpen(waitMs: number): Promise<Redis | undefined> {
    this.start();
    const untilMs = performance.now() + waitMs;
    while (this.redis === undefined && performance.now() < untilMs) await pause(10);
    return this.redis;
  }

  /** @param stalledMs for so long this process itself has looked at nothing */
  tick(nowMs: number, stalledMs: number): void {
    if (!this.#connected) return;
    this.heardMs += stalledMs;
    if (nowMs - this.heardMs > silenceMsMax) return this.lose('it does not answer');
    if (nowMs - this.#pingedMs < pingMs) return;
    this.#pingedMs = nowMs;
    this.#redis?.ping().catch(() => {});
  }

  /** Gives the connection up once all calls that are under way on it are answered. */
  async retire(reason: string): Promise<void> {
    const redis = this.redis;
    if (redis === undefined) return;
    this.#open = false;
    this.#hooks.onLost(reason);
    await redis.ping().catch(() => {});
    if (this.#redis === redis) this.lose(reason);
  }

  /** Gives it up, with what is under way on it. */
  lose(reason: string): void {
    const redis = this.#redis;
    if (redis === undefined) return;
    const wasOpen = this.#open;
    this.#redis = undefined;
    this.#open = false;
    this.#connected = false;
    redis.disconnect();
    redis.stream?.destroy(); // a server that stands still would not take part in a good-bye
    if (wasOpen) this.#hooks.onLost(reason);
    this.#tryLater();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#open = false;
    this.#connected = false;
    this.#redis?.disconnect();
    this.#redis = undefined;
  }

  async #connect(): Promise<void> {
    const redis: Redis = new Redis(this.#options as never);
    this.#redis = redis;
    let trouble: Error | undefined;
    const isCurrent = () => this.#redis === redis;
    redis.on('error', (error: Error) => {
      trouble ??= error;
    });
    redis.on('end', () => {
      if (isCurrent()) this.lose(trouble?.message ?? 'the connection has ended');
    });
    const impatience = setTimeout(() => {
      trouble ??= new Error(`it has not answered within ${handshakeMsMax / 1000} s`);
      redis.disconnect();
      redis.stream?.destroy();
    }, handshakeMsMax);
    try {
      await redis.connect();
      clearTimeout(impatience);
      this.#listen(redis);
      this.heardMs = performance.now();
      this.#connected = true;
      await this.#hooks.onOpen(redis);
      if (!isCurrent()) throw new Error('the connection has ended');
      this.#open = true;
      this.#tries = 0;
      this.opened++;
    } catch (error) {
      if (this.#closed) return;
      this.#hooks.onFailed(trouble ?? (error as Error));
      if (isCurrent()) this.lose('');
    } finally {
      clearTimeout(impatience);
    }
  }

  #listen({ stream }: Redis): void {
    const decoders = stream.listeners('data') as ((bytes: Buffer) => void)[];
    const decode = (bytes: Buffer) => {
      for (const decoder of decoders) decoder.call(stream, bytes);
    };
    const { onMessage } = this.#hooks;
    const reader = onMessage && new MessageReader(onMessage, decode);
    if (reader !== undefined) stream.removeAllListeners('data');
    stream.on('data', (bytes: Buffer) => {
      this.heardMs = performance.now();
      reader?.read(bytes);
    });
  }

  #tryLater(): void {
    if (this.#closed) return;
    const ms = Math.min(retryMs.most, retryMs.first * 2 ** this.#tries++);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), ms + Math.random() * ms);
  }
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const zero = 0x30;
/** Up to the length of its channel, each message of one begins so; RESP3 calls that a push. */
const messageHead = Buffer.from('>3\r\n$7\r\nmessage\r\n$');

/**
 * Takes messages of channels out of what Redis sends, 0.2 µs each, and leaves all else to the decoder of ioredis, which takes
 * 1.8 µs for a message: its private fields are WeakMaps.
 */
export class MessageReader {
  readonly #onMessage: OnMessage;
  readonly #onRest: (bytes: Buffer) => void;
  /** Of a value that has not come whole. */
  #pieces: Buffer[] = [];
  #piecesBytes = 0;
  /** Before so many are there, no end can be found. */
  #wantedBytes = 0;
  #at = 0;

  /** @param onRest given whole values */
  constructor(onMessage: OnMessage, onRest: (bytes: Buffer) => void) {
    this.#onMessage = onMessage;
    this.#onRest = onRest;
  }

  read(piece: Buffer): void {
    const bytes = this.#pieces.length === 0 ? piece : this.#joined(piece);
    for (let from = 0; bytes !== undefined && from < bytes.length; ) {
      const isMessage = beginsMessage(bytes, from);
      const end = isMessage ? this.#readMessage(bytes, from) : endOf(bytes, from);
      if (end > bytes.length) {
        const begun = bytes.subarray(from);
        this.#pieces = [begun];
        this.#piecesBytes = begun.length;
        this.#wantedBytes = end - from;
        return;
      }
      if (!isMessage) this.#onRest(bytes.subarray(from, end));
      from = end;
    }
  }

  /** @returns undefined where it is not enough yet: a large value is joined once, not with each of its pieces */
  #joined(piece: Buffer): Buffer | undefined {
    this.#pieces.push(piece);
    this.#piecesBytes += piece.length;
    if (this.#piecesBytes < this.#wantedBytes) return undefined;
    const bytes = Buffer.concat(this.#pieces, this.#piecesBytes);
    this.#pieces = [];
    return bytes;
  }

  /** @returns where it ends; behind the bytes: it goes on up to there at least, and nobody has been told */
  #readMessage(bytes: Buffer, from: number): number {
    this.#at = from + messageHead.length;
    const channelBytes = this.#readLength(bytes);
    if (channelBytes === -1) return bytes.length + 1;
    const channelAt = this.#at;
    this.#at = channelAt + channelBytes + 3; // its end of line, and the $ of the payload
    const payloadBytes = this.#readLength(bytes);
    if (payloadBytes === -1) return Math.max(bytes.length, this.#at) + 1;
    const payloadAt = this.#at;
    const end = payloadAt + payloadBytes + 2;
    if (end <= bytes.length)
      this.#onMessage(
        bytes.subarray(channelAt, channelAt + channelBytes),
        bytes.subarray(payloadAt, payloadAt + payloadBytes),
      );
    return end;
  }

  /** @returns the length that stands at `#at`, which moves behind its line; -1: that has not come whole */
  #readLength(bytes: Buffer): number {
    let length = 0;
    for (let at = this.#at; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === carriageReturn) {
        this.#at = at + 2;
        return length;
      }
      length = length * 10 + byte - zero;
    }
    return -1;
  }
}

function beginsMessage(bytes: Buffer, from: number): boolean {
  for (let i = 0; i < messageHead.length; i++) if (bytes[from + i] !== messageHead[i]) return false;
  return true;
}

/** Of a value of any kind. @returns where it ends; behind the bytes: it goes on up to there at least */
function endOf(bytes: Buffer, from: number): number {
  let at = from;
  for (let values = 1; values > 0; values--) {
    const lineEnd = bytes.indexOf(lineFeed, at);
    if (lineEnd === -1) return Math.max(bytes.length, at) + 1;
    const kind = String.fromCharCode(bytes[at]!);
    const length = Number(bytes.toString('latin1', at + 1, lineEnd - 1));
    at = lineEnd + 1;
    if ('$!='.includes(kind)) at += length === -1 ? 0 : length + 2;
    else if ('*~>'.includes(kind)) values += Math.max(0, length);
    else if (kind === '%') values += 2 * length;
  }
  return at;
}
