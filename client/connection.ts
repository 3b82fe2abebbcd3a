import { Backoff } from './backoff.js';
import { CursorMemory } from './cursor-memory.js';
import { Endpoint } from './endpoint.js';
import { CorsError, GreetingMissedError, RefusedError, UnavailableError } from './failure.js';
import { longPoll } from './long-poll.js';
import { messageOf, type WireMessage } from './message.js';
import type { ConnectOptions, State, StateDetail } from './options.js';
import { pause } from './pause.js';
import type { Receiver } from './receiver.js';
import { serverSentEvents } from './server-sent-events.js';
import { type Transport, TransportChoice } from './transport-choice.js';

const defaults = { greetingTimeoutMs: 3_000, heartbeatTimeoutMs: 60_000 };
const requestHeadBytesMaxDefault = 16_384;

/**
 * One attempt after the other, each from the cursor behind what was handled; so neither a reconnect nor a change of
 * transport makes a gap or a double. Owns the cursor and the state.
 *
 *     connecting --> open --> waiting --> connecting ...
 *                         --> failed: the server refused      closed: the application did
 */
export class Connection implements Receiver {
  readonly #options: ConnectOptions;
  readonly #endpoint: Endpoint;
  readonly #choice: TransportChoice;
  readonly #backoff = new Backoff();
  readonly #memory: CursorMemory | undefined;
  #state: State = 'connecting';
  #cursor: string | undefined;
  /** The cursor is from before a reload, and no server has taken it yet. */
  #untried = false;
  #since: string | undefined;
  #openedOnce = false;
  /** Attempts in turn that seem to have failed by CORS. */
  #corsFailures = 0;
  /** This attempt is open. */
  #open = false;
  #retryMs = 0;
  #abort = new AbortController();

  constructor(url: string | URL, ids: readonly string[], options: ConnectOptions) {
    const { transport = 'auto', retrySseMs, remember, storage, since } = options;
    this.#options = options;
    this.#endpoint = new Endpoint(url, ids, options);
    checkRoom(this.#endpoint.headBytesMax, options.requestHeadBytesMax ?? requestHeadBytesMaxDefault);
    this.#choice = new TransportChoice(transport, retrySseMs);
    this.#since = since?.toString();
    if (remember !== undefined) this.#memory = new CursorMemory(remember, this.#endpoint.href, ids, storage);
    this.#cursor = options.cursor ?? this.#memory?.read();
    this.#untried = options.cursor === undefined && this.#cursor !== undefined;
    void this.#run();
  }

  get state(): State {
    return this.#state;
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  get since(): string | undefined {
    return this.#since;
  }

  get transport(): Transport {
    return this.#choice.current;
  }

  get listens(): boolean {
    return this.#state !== 'closed' && this.#state !== 'failed';
  }

  close(): void {
    if (!this.listens) return;
    this.#enter('closed');
    this.#abort.abort();
  }

  opened(): void {
    this.#choice.opened();
    this.#backoff.reset();
    this.#corsFailures = 0;
    if (this.#open) return;
    this.#open = true;
    this.#enter('open');
    // Without a cursor, nobody knows what came in between.
    if (this.#openedOnce && this.#cursor === undefined) this.#call(() => this.#lose());
    this.#openedOnce = true;
  }

  resumed(recovered: boolean): void {
    this.#untried = false;
    if (recovered) this.#call(() => this.#options.onRecovered?.({ recovered: true }));
    else this.#call(() => this.#lose());
  }

  lost(count: number): void {
    this.#call(() => this.#options.onLost?.({ recovered: false, lost: count }));
  }

  received(wire: WireMessage, cursor = this.#cursor): void {
    this.#since = undefined;
    const message = messageOf(wire, cursor);
    this.#call(() => this.#options.onMessage(message));
    // After it was handled: a page that is left in the middle gets it again rather than never.
    if (cursor !== undefined) this.moved(cursor);
  }

  moved(cursor: string): void {
    if (cursor === this.#cursor) return;
    this.#cursor = cursor;
    this.#memory?.keep(cursor);
  }

  retryIn(delayMs: number): void {
    this.#retryMs = delayMs;
  }

  async #run(): Promise<void> {
    await undefined; // the caller has the connection before its first callback
    while (this.listens) {
      const { transport } = this;
      const error = await this.#attempt();
      if (!this.listens) return;
      if (error instanceof GreetingMissedError) this.#choice.greetingMissed();
      if (this.transport !== transport) continue; // at once, from the same cursor
      if (error instanceof RefusedError && !this.#forgetUntried(error)) return this.#fail(error);
      this.#choice.failed();
      this.#noteCors(error);
      await this.#wait(error);
    }
  }

  /** @returns why it ended; undefined: the server, or the time for this transport, ended it */
  async #attempt(): Promise<Error | undefined> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#open = false;
    this.#enter('connecting');
    // onState may have closed it.
    if (!this.listens) return undefined;
    const settings = { ...defaults, ...definedOf(this.#options) };
    try {
      if (this.#choice.current === 'sse') await serverSentEvents(this.#endpoint, this, settings, abort);
      else await longPoll(this.#endpoint, this, settings, abort, () => this.#choice.returnsToSse());
      return undefined;
    } catch (error) {
      const reason = abort.signal.reason;
      return reason instanceof Error && reason.name !== 'AbortError' ? reason : asError(error);
    }
  }

  async #wait(error: Error | undefined): Promise<void> {
    const asked = error instanceof UnavailableError ? error.retryAfterMs : undefined;
    const delayMs = this.#backoff.nextDelayMs(asked ?? this.#retryMs);
    this.#abort = new AbortController();
    this.#enter('waiting', { delayMs, ...(error && { error }) });
    await pause(delayMs, this.#abort.signal);
  }

  /** Told once, and at the second time only: a server that has just come up may answer the probe and not the request before. */
  #noteCors(error: Error | undefined): void {
    if (!(error instanceof CorsError)) this.#corsFailures = 0;
    else if (++this.#corsFailures === 2) this.#call(() => this.#options.onError?.(error));
  }

  #fail(error: Error): void {
    this.#enter('failed', { error });
    this.#call(() => this.#options.onError?.(error));
  }

  /** What was remembered may be of another server by now: then this begins anew, once. */
  #forgetUntried({ status }: RefusedError): boolean {
    if (!this.#untried || status !== 400) return false;
    this.#untried = false;
    this.#cursor = undefined;
    this.#memory?.forget();
    this.#openedOnce = true; // so that the loss is told
    return true;
  }

  #lose(): void {
    this.#options.onLost?.({ recovered: false });
  }

  #enter(state: State, detail: Omit<StateDetail, 'transport'> = {}): void {
    if (state === this.#state && state !== 'connecting') return;
    this.#state = state;
    this.#call(() => this.#options.onState?.(state, { transport: this.transport, ...detail }));
  }

  /** What the application throws is the application's: it is reported as uncaught, and this goes on. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** A server refuses a larger head, at the latest when the client comes back with a cursor. */
function checkRoom(needed: number, bytesMax: number): void {
  if (needed <= bytesMax) return;
  throw new TypeError(
    `A request for these ids could be ${needed} bytes with its cursor, and servers take ${bytesMax}: connect several times, each for some of the ids, or raise --request-head-bytes-max and say so in requestHeadBytesMax.`,
  );
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function definedOf({ greetingTimeoutMs, heartbeatTimeoutMs, pollTimeoutSec }: ConnectOptions) {
  return {
    ...(greetingTimeoutMs !== undefined && { greetingTimeoutMs }),
    ...(heartbeatTimeoutMs !== undefined && { heartbeatTimeoutMs }),
    pollTimeoutSec,
  };
}
