import type { CursorStorage } from './cursor-memory.js';
import type { EndpointOptions } from './endpoint.js';
import type { Message } from './message.js';
import type { Transport } from './transport-choice.js';

/** What `connect` takes. */

/** `waiting`: for the next attempt. `failed` and `closed` are for good. */
export type State = 'connecting' | 'open' | 'waiting' | 'failed' | 'closed';

export interface StateDetail {
  readonly transport: Transport;
  /** Why it is waiting, or has failed. */
  readonly error?: Error;
  /** Until the next attempt. */
  readonly delayMs?: number;
}

export interface Loss {
  readonly recovered: false;
  /** How many messages, where the server knows. */
  readonly lost?: number;
}

export interface ConnectOptions extends EndpointOptions {
  onMessage(message: Message): void;
  /** After a reconnect or a change of transport: nothing was missed. */
  onRecovered?(recovery: { readonly recovered: true }): void;
  /** Something is, or may be, gone for good: the application fetches its state anew. */
  onLost?(loss: Loss): void;
  onState?(state: State, detail: StateDetail): void;
  /**
   * A RefusedError: the server refused, and there is no further attempt. A CorsError, once: the browser keeps the
   * server's answers from this page, it seems; attempts go on, as `state` says.
   */
  onError?(error: Error): void;
  /** Default `auto`: SSE, or long-poll where a proxy buffers. */
  readonly transport?: 'auto' | Transport;
  /** Go on behind it; one that this server gave for the same ids in the same order. */
  readonly cursor?: string | undefined;
  /** Without a cursor: the oldest that is kept, so many of the last messages of each id, or `now` (default). */
  readonly since?: 'oldest' | 'now' | number | undefined;
  /** The server's --request-head-bytes-max; `connect` throws where a request that goes on from a cursor could pass it. Default 16,384. */
  readonly requestHeadBytesMax?: number | undefined;
  /** Key under which the cursor is kept in sessionStorage, for after a reload of the page. */
  readonly remember?: string | undefined;
  /** Instead of sessionStorage. */
  readonly storage?: CursorStorage | undefined;
  /** An event stream that has not begun by then is buffered by a proxy. Default 3,000. */
  readonly greetingTimeoutMs?: number | undefined;
  /** Silence on an event stream that means that it is dead: more than the server's --heartbeat-sec. Default 60,000. */
  readonly heartbeatTimeoutMs?: number | undefined;
  /** How long a poll may wait, in seconds; default: the server's own. */
  readonly pollTimeoutSec?: number | undefined;
  /** After long-poll has worked for so long, SSE is tried again, and later after twice as long. Default 300,000. */
  readonly retrySseMs?: number | undefined;
}
