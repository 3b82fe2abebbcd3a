import type { CursorStorage } from './cursor-memory.js';
import type { Message } from './message.js';
import type { Transport } from './transport-choice.js';

/** What `connect` takes. No type of the DOM or of Node is named, so that it compiles with neither. */

/** `waiting`: for the next attempt. `failed` and `closed` are for good. */
export type State = 'connecting' | 'open' | 'waiting' | 'failed' | 'closed';

export interface StateDetail {
  readonly transport: Transport;
  /** Why it is waiting, has failed, or tries the other transport. */
  readonly error?: Error;
  /** Until the next attempt; none where a connection of a page waits for its turn. */
  readonly delayMs?: number;
}

export interface Loss {
  readonly recovered: false;
  /** How many messages, where the server knows. */
  readonly lost?: number;
}

export type RequestHeaders = Readonly<Record<string, string>>;

/** As much of a `Response` as is read. */
export interface FetchResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body?: unknown;
  text(): Promise<string>;
  json(): Promise<unknown>;
}

// biome-ignore lint/suspicious/noExplicitAny: RequestInit is a type of the DOM, and each fetch has its own
export type Fetch = (url: string, init?: any) => Promise<FetchResponse>;

/** As much of an `AbortSignal` as is used. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export type Since = 'oldest' | 'now' | number;

export interface ConnectOptions {
  /** A promise that it returns is waited for: until then the cursor stays before this message, and no other one comes. */
  readonly onMessage: (message: Message) => unknown;
  /** After a reconnect: nothing was missed. */
  readonly onRecovered?: ((recovery: { readonly recovered: true }) => void) | undefined;
  /** Something is, or may be, gone for good: the application fetches its state anew. */
  readonly onLost?: ((loss: Loss) => void) | undefined;
  readonly onState?: ((state: State, detail: StateDetail) => void) | undefined;
  /**
   * A RefusedError: the server refused, and there is no further attempt. A CorsError, once: the browser keeps the
   * server's answers from this page, it seems; attempts go on, as `state` says.
   */
  readonly onError?: ((error: Error) => void) | undefined;
  /** Default `auto`: SSE, or long-poll where a proxy buffers. */
  readonly transport?: 'auto' | Transport | undefined;
  /** Go on behind it; one that this server gave for the same ids in the same order. */
  readonly cursor?: string | undefined;
  /** Without a cursor: the oldest that is kept, so many of the last messages of each id, or `now` (default). */
  readonly since?: Since | undefined;
  /** Aborted, it closes the connection. */
  readonly signal?: Signal | undefined;
  /** Connections with the same options share one stream. Default: in a page; elsewhere each has its own. */
  readonly share?: boolean | undefined;
  /** Of each request; a function is asked at each attempt, and once more after a 401. */
  readonly headers?: RequestHeaders | (() => RequestHeaders | PromiseLike<RequestHeaders>) | undefined;
  readonly credentials?: 'omit' | 'same-origin' | 'include' | undefined;
  /** Instead of the global one. */
  readonly fetch?: Fetch | undefined;
  /** The server's --request-head-bytes-max; `connect` throws where a request that goes on from a cursor could pass it. Default 16,384. */
  readonly requestHeadBytesMax?: number | undefined;
  /** Key under which the cursor is kept in sessionStorage, for after a reload of the page. */
  readonly remember?: string | undefined;
  /** Instead of sessionStorage. */
  readonly storage?: CursorStorage | undefined;
  /** An event stream that has not begun by then is buffered by a proxy. Default 3,000. */
  readonly greetingTimeoutMs?: number | undefined;
  /** Silence on an event stream that means that it is dead. Default: a third longer than the server's --heartbeat-sec. */
  readonly heartbeatTimeoutMs?: number | undefined;
  /** How long a poll may wait, in seconds; default: the server's own. */
  readonly pollTimeoutSec?: number | undefined;
  /** On long-poll SSE is tried again, at first within seconds, later after twice as long each time, at most this. Default 300,000. */
  readonly retrySseMs?: number | undefined;
}
