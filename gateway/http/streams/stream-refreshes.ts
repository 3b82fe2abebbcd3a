import { type Identity, identityOf } from '../../../access/identity.js';
import { Rules } from '../../../access/rules.js';
import type { Cluster } from '../../../router/engine/cluster.js';
import type { AccessControl } from '../../access-control.js';
import type { Counters } from '../../counters.js';
import { refusalToRead } from './allowed-ids.js';
import { isHandleOf, type StreamHandles } from './stream-handles.js';

/** The end of a refresh. */
export type Refreshed =
  | { readonly outcome: 'refreshed' | 'no-stream' | 'unanswered' }
  /** @param sentence for the client */
  | { readonly outcome: 'not-allowed'; readonly sentence: string };

export interface StreamRefreshesParts {
  readonly handles: StreamHandles;
  readonly access: Pick<AccessControl, 'identities' | 'authorizer' | 'recall'>;
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
      const { identities, recall } = parts.access;
      const former = stream === undefined ? Rules.none : identities.of(stream.slot).rules;
      const { reference } = asked;
      const identity = reference === undefined ? identityIn(asked, former) : recall(reference);
      const refreshed = identity === undefined ? unknownHere : this.#refreshHere(asked.handle, identity);
      return Buffer.from(JSON.stringify(refreshed));
    });
  }

  /** @param onRefreshed called once, before this returns unless the stream is on another node */
  refresh(handle: string, identity: Identity, onRefreshed: (refreshed: Refreshed) => void): void {
    const { cluster, waitMs, handles } = this.#parts;
    const isHere = handles.find(handle) !== undefined;
    const node = isHere ? undefined : cluster?.peers.find(({ run }) => isHandleOf(run, handle));
    if (cluster === undefined || node === undefined) return onRefreshed(this.#refreshHere(handle, identity));
    const { userName, isSuperuser, expiresAtMs, reference } = identity;
    const rules = reference === undefined ? identity.rules.text : '';
    const asked: Asked = { handle, userName, isSuperuser, rules, expiresAtMs, reference };
    cluster.askOne(node, question, Buffer.from(JSON.stringify(asked)), waitMs, (answer) =>
      onRefreshed(answer === undefined ? { outcome: 'unanswered' } : refreshedIn(answer)),
    );
  }

  #refreshHere(handle: string, identity: Identity): Refreshed {
    const { handles, access } = this.#parts;
    const { identities, authorizer } = access;
    const stream = handles.find(handle);
    if (stream === undefined) return { outcome: 'no-stream' };
    if (identities.of(stream.slot).userName !== identity.userName) return ofAnother;
    const forbidden = refusalToRead(authorizer, identity, stream.ids);
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

const unknownHere: Refreshed = {
  outcome: 'not-allowed',
  sentence: 'The node that has this stream does not know your user: give all nodes the same file of users.',
};

/** A question to another node, as JSON. */
interface Asked {
  readonly handle: string;
  readonly userName?: string | undefined;
  readonly isSuperuser: boolean;
  readonly rules: string;
  readonly expiresAtMs?: number | undefined;
  /** The node that is asked looks the user up itself: its rules are not sent. */
  readonly reference?: string | undefined;
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
