import { Connection } from './connection.js';
import type { ConnectOptions, State } from './options.js';
import type { Transport } from './transport-choice.js';

/** Encke's client for browsers and Node: `import { connect } from 'encke/client'`. No dependencies. */

export type { CursorStorage } from './cursor-memory.js';
export { CorsError, RefusedError } from './failure.js';
export type { Message } from './message.js';
export type { ConnectOptions, Loss, State, StateDetail } from './options.js';
export type { Transport } from './transport-choice.js';

export interface EnckeConnection {
  readonly state: State;
  /** Behind the last message that was handled; undefined before there is one, or where the server keeps no history. */
  readonly cursor: string | undefined;
  /** The one in use now. */
  readonly transport: Transport;
  /** For good. */
  close(): void;
}

/**
 * Receives what is sent to `ids` from now on, or from `cursor` or `since`, until `close`.
 * @param url of the gateway, such as `https://push.example.com`; in a page, it may be relative to the page
 * @param ids one, or several over one connection
 */
export function connect(
  url: string | URL,
  ids: string | readonly string[],
  options: ConnectOptions,
): EnckeConnection {
  const each = typeof ids === 'string' ? [ids] : [...new Set(ids)];
  if (each.length === 0) throw new TypeError('connect needs an id, or an array of them.');
  if (typeof options?.onMessage !== 'function') throw new TypeError('connect needs an onMessage function.');
  return new Connection(url, each, options);
}
