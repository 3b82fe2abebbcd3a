import type { CursorStorage } from './cursor-memory.js';
import type { ReceivedMessage } from './message.js';
import type { ClientTransport } from './transport-choice.js';

/** The options of `connect`. They name no type of the DOM or of Node, so that they compile without both. */

/** `waiting` is for the next attempt. `failed` and `closed` are final. */
export type State = 'connecting' | 'open' | 'waiting' | 'failed' | 'closed';

export interface StateDetail {
  readonly transport: ClientTransport;
  /** The reason for a wait, a failure, or a change of transport. */
  readonly error?: Error;
  /** Time until the next attempt; undefined while a connection of a page waits for its turn. */
  readonly delayMs?: number;
}

export interface Loss {
  readonly recovered: false;
  /** Number of lost messages, where the server knows it. */
  readonly lost?: number;
}

export type RequestHeaders = Readonly<Record<string, string>>;

/** The part of `Response` that the client reads. */
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

/** The part of `AbortSignal` that the client uses. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export type Since = 'oldest' | 'now' | number;

export interface ConnectOptions {
  /** May return a promise. Until it settles, the cursor stays before this message, and no other message arrives. */
  readonly onMessage: (message: ReceivedMessage) => unknown;
  /** Called after a reconnect without a loss. */
  readonly onRecovered?: ((recovery: { readonly recovered: true }) => void) | undefined;
  /** Messages are, or may be, gone for good: the application should fetch its state again. */
  readonly onLost?: ((loss: Loss) => void) | undefined;
  readonly onState?: ((state: State, detail: StateDetail) => void) | undefined;
  /**
   * Gets a RefusedError when the server refuses: there is no further attempt. Gets a CorsError once, when the browser
   * seems to keep the server's answers from this page: attempts go on.
   */
  readonly onError?: ((error: Error) => void) | undefined;
  /** Default `auto`: SSE, or long-poll where a proxy buffers. */
  readonly transport?: 'auto' | ClientTransport | undefined;
  /** Resume behind this cursor, which the server gave for the same ids in the same order. */
  readonly cursor?: string | undefined;
  /** Where to begin without a cursor: with the oldest message, with the last n of each id, or `now` (default). */
  readonly since?: Since | undefined;
  /** Closes the connection when it aborts. */
  readonly signal?: Signal | undefined;
  /** Share one stream with connections that have the same options. Default: `true` in a page, otherwise `false`. */
  readonly share?: boolean | undefined;
  /** Headers of each request. A function is called at each attempt, and once more after a 401. */
  readonly headers?: RequestHeaders | (() => RequestHeaders | PromiseLike<RequestHeaders>) | undefined;
  /**
   * A token for `Authorization: Bearer`. Called for each request, once more after a 401, and when the server says that the
   * token of the stream ends soon: then the stream goes on with the new one.
   */
  readonly token?: (() => string | PromiseLike<string>) | undefined;
  readonly credentials?: 'omit' | 'same-origin' | 'include' | undefined;
  /** Replaces the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /**
   * The server's --request-head-bytes-max. `connect` throws where a request with a cursor could exceed it. Default
   * 16,384.
   */
  readonly requestHeadBytesMax?: number | undefined;
  /** Key in sessionStorage that keeps the cursor over a reload of the page. */
  readonly remember?: string | undefined;
  /** Replaces sessionStorage. */
  readonly storage?: CursorStorage | undefined;
  /** A proxy buffers an event stream that has not begun after this time. Default 3,000. */
  readonly greetingTimeoutMs?: number | undefined;
  /** An event stream is dead after this silence. Default: a third longer than the server's --heartbeat-sec. */
  readonly heartbeatTimeoutMs?: number | undefined;
  /** Longest wait of a poll, seconds. Default: the server's own. */
  readonly pollTimeoutSec?: number | undefined;
  /**
   * Longest time between two tries of SSE beside polls; the first comes within seconds, each later one after twice as
   * long. Default 300,000.
   */
  readonly retrySseMs?: number | undefined;
}
