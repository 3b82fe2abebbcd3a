import { Link } from './link.js';
import { LinkMember } from './link-member.js';
import type { ConnectOptions, Since, State } from './options.js';
import { idsOf, settingsOf, sinceOf } from './settings.js';
import type { ClientTransport } from './transport-choice.js';

/** Encke's client for browsers and Node: `import { connect } from 'encke/client'`. No dependencies. */

export type { CursorStorage } from './cursor-memory.js';
export {
  CorsError,
  CrowdedError,
  GreetingMissedError,
  NoStreamingError,
  RefusedError,
  SilenceError,
  UnavailableError,
} from './failure.js';
export type { ReceivedMessage as Message } from './message.js';
export type {
  ConnectOptions,
  Fetch,
  FetchResponse,
  Loss,
  RequestHeaders,
  Signal,
  Since,
  State,
  StateDetail,
} from './options.js';
export type { ClientTransport as Transport } from './transport-choice.js';

export interface EnckeConnection {
  readonly state: State;
  /** In the order that `cursor` has. */
  readonly ids: readonly string[];
  /**
   * The place behind the last message that was handled; undefined before the first one, and where there is no history.
   */
  readonly cursor: string | undefined;
  /** The transport in use now. */
  readonly transport: ClientTransport;
  /**
   * Listens to these ids too, on the same connection. The other ids miss nothing.
   * @param options `since`: where to begin; default: now
   * @returns resolves when the ids are in effect, or the connection is closed; rejects when the server refuses them
   */
  add(ids: string | readonly string[], options?: { readonly since?: Since | undefined }): Promise<void>;
  /** Stops listening to these ids. The last id cannot be removed. */
  remove(ids: string | readonly string[]): void;
  /** Ends a wait for the next attempt; otherwise sends a new request from the cursor. */
  reconnect(): void;
  /** Closes the connection for good. No callback is called after that. */
  close(): void;
}

/** All links of this page or process. */
const links = new Set<Link>();

/**
 * Receives what is sent to `ids` from now on, or from `cursor` or `since`, until `close`.
 * @param url of the gateway, such as `https://push.example.com`; in a page, it may be relative to the page
 * @param ids one, or several over one connection
 */
export function connect(
  url: string | { readonly href: string },
  ids: string | readonly string[],
  options: ConnectOptions,
): EnckeConnection {
  const each = idsOf(ids);
  if (each.length === 0) throw new TypeError('connect needs an id, or an array of them.');
  if (typeof options?.onMessage !== 'function') throw new TypeError('connect needs an onMessage function.');
  const settings = settingsOf(url, options);
  settings.endpoint.checkRoom(each);
  const member = new LinkMember(settings, each, options);
  linkFor(member).join(member);
  const { signal } = options;
  if (signal?.aborted) member.close();
  else signal?.addEventListener('abort', member.close);
  return connectionOf(member);
}

function linkFor(member: LinkMember): Link {
  for (const link of links) if (link.accepts(member)) return link;
  const link = new Link(member.settings, () => links.delete(link));
  links.add(link);
  return link;
}

function connectionOf(member: LinkMember): EnckeConnection {
  return {
    get state() {
      return member.state;
    },
    get ids() {
      return member.places.ids;
    },
    get cursor() {
      return member.places.cursor;
    },
    get transport() {
      return member.link.transport;
    },
    add: (ids, options) => member.add(idsOf(ids), sinceOf(options?.since)),
    remove: (ids) => member.remove(idsOf(ids)),
    reconnect: () => member.over || member.link.reconnect(),
    close: member.close,
  };
}
