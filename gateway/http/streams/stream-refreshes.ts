import type { Authorizer } from '../../../access/authorizer.js';
import { type Identity, identityOf } from '../../../access/identity.js';
import { Rules } from '../../../access/rules.js';
import type { Cluster } from '../../../router/engine/cluster.js';
import type { Counters } from '../../counters.js';
import type { Identities } from '../../identities.js';
import { refusalToRead } from './allowed-ids.js';
import { isHandleOf, type StreamHandles } from './stream-handles.js';

/** The end of a refresh. */
export type Refreshed =
  | { readonly outcome: 'refreshed' | 'no-stream' | 'unanswered' }
  /** @param sentence for the client */
  | { readonly outcome: 'not-allowed'; readonly sentence: string };

export interface StreamRefreshesParts {
  readonly handles: StreamHandles;
  readonly identities: Identities;
  readonly authorizer: Authorizer;
  readonly counters: Counters;
  /** The other nodes, one of which may have the stream. */
  readonly cluster: Cluster | undefined;
  /** Longest time that their answer is waited for. */
  readonly waitMs: number;
}

const question = 'refresh';

/**
 * Gives open streams other credentials. The client shows that the stream is its own by its handle, which was told in the
 * stream and nowhere else, and by credentials of the same user. The stream is on this node, or on the one that its handle
 * names, which is then asked; it gets the identity that was found here, not the credentials.
 */
export class StreamRefreshes {
  readonly #parts: StreamRefreshesParts;

  constructor(parts: StreamRefreshesParts) {
    this.#parts = parts;
    parts.cluster?.onQuestion(question, (body) => {
      const asked = JSON.parse(Buffer.from(body).toString()) as Asked; // nodes of one cluster trust each other
      const stream = parts.handles.find(asked.handle);
      const former = stream === undefined ? Rules.none : parts.identities.of(stream.slot).rules;
      return Buffer.from(JSON.stringify(this.#refreshHere(asked.handle, identityIn(asked, former))));
    });
  }

  /** @param onRefreshed called once, before this returns unless the stream is on another node */
  refresh(handle: string, identity: Identity, onRefreshed: (refreshed: Refreshed) => void): void {
    const { cluster, waitMs } = this.#parts;
    if (cluster === undefined || !cluster.peers.some(({ run }) => isHandleOf(run, handle)))
      return onRefreshed(this.#refreshHere(handle, identity));
    const { userName, isSuperuser, expiresAtMs } = identity;
    const asked: Asked = { handle, userName, isSuperuser, rules: identity.rules.text, expiresAtMs };
    cluster.ask(question, Buffer.from(JSON.stringify(asked)), waitMs, ({ answers }) => {
      const answer = answers.find(({ from }) => isHandleOf(from.run, handle));
      onRefreshed(answer === undefined ? { outcome: 'unanswered' } : refreshedIn(answer.body));
    });
  }

  #refreshHere(handle: string, identity: Identity): Refreshed {
    const { handles, identities } = this.#parts;
    const stream = handles.find(handle);
    if (stream === undefined) return { outcome: 'no-stream' };
    if (identities.of(stream.slot).userName !== identity.userName) return ofAnother;
    const forbidden = refusalToRead(this.#parts.authorizer, identity, stream.ids);
    if (forbidden !== undefined) {
      stream.end('not-allowed');
      return { outcome: 'not-allowed', sentence: `${forbidden} The stream has ended.` };
    }
    handles.release(stream.slot);
    identities.set(stream.slot, identity);
    this.#parts.counters.refreshed++;
    return { outcome: 'refreshed' };
  }
}

const ofAnother: Refreshed = {
  outcome: 'not-allowed',
  sentence: 'This stream belongs to another user: refresh it with a token of the user that has opened it.',
};

/** A question to another node, as JSON. */
interface Asked {
  readonly handle: string;
  readonly userName?: string | undefined;
  readonly isSuperuser: boolean;
  readonly rules: string;
  readonly expiresAtMs?: number | undefined;
}

/** @param former of the stream: the new rules are often the same, and then shared */
function identityIn({ userName, isSuperuser, rules: text, expiresAtMs }: Asked, former: Rules): Identity {
  const rules = text === former.text ? former : Rules.ofText(text);
  return identityOf({ userName, isSuperuser, rules, expiresAtMs });
}

function refreshedIn(body: Uint8Array): Refreshed {
  try {
    return JSON.parse(Buffer.from(body).toString()) as Refreshed;
  } catch {
    return { outcome: 'unanswered' }; // a node of a former release
  }
}
