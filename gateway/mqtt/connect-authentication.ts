import { type AuthenticationDecision, badCredentials } from '../../access/authenticator.js';
import { type Identity, unrestricted } from '../../access/identity.js';
import { userNameBytesMax } from '../../access/user-names.js';
import type { AccessControl } from '../access-control.js';
import type { WaitingIdentity } from '../identity-changes.js';
import { noRoom, type PendingDecision, revokedMeanwhile } from '../pending-decisions.js';
import type { Channel } from './channel.js';
import { ConnectCredentials } from './connect-credentials.js';
import type { ConnectPacket } from './connect-packet.js';
import type { UpgradeTokens } from './upgrade-tokens.js';

/** A CONNECT that has to wait: for an authenticator, or for its client id. */
interface Waiting {
  readonly pending?: PendingDecision;
  /** Undefined until it is decided. */
  decision?: Exclude<AuthenticationDecision, { outcome: 'accepted' }> | WaitingIdentity;
}

const userNameTooLong: AuthenticationDecision = {
  outcome: 'refused',
  reason: 'bad-credentials',
  sentence: `The user name is longer than ${userNameBytesMax} bytes.`,
};

/** The decision where no authenticator is set. */
const everybody: AuthenticationDecision = { outcome: 'accepted', identity: unrestricted };

/**
 * Decides which user a CONNECT comes from. Where an authenticator has to wait for an answer from outside, so does the
 * CONNECT, in the receive queue of its connection, with all that its client sends behind it:
 *
 *     CONNECT ──> authenticator ──(at once)──────────────> decided
 *        ^              └──(later)──> wait ──> PendingDecisions, with a deadline
 *        └────────── handled once more <──────────┘
 *
 * An accepted CONNECT may have to wait once more, for its client id: see ClientClaims.
 */
export class ConnectAuthentication {
  readonly #access: Pick<AccessControl, 'mqtt' | 'pending' | 'changes'>;
  readonly #tokens: UpgradeTokens;
  readonly #waiting = new Map<Channel, Waiting>();

  constructor(access: Pick<AccessControl, 'mqtt' | 'pending' | 'changes'>, tokens: UpgradeTokens) {
    this.#access = access;
    this.#tokens = tokens;
  }

  /** Its CONNECT is not decided yet. */
  isWaiting(channel: Channel): boolean {
    if (this.#waiting.size === 0) return false;
    const waiting = this.#waiting.get(channel);
    return waiting !== undefined && waiting.decision === undefined;
  }

  /** Call it each time that a CONNECT is handled. @returns 'wait': it is handled again once it is decided */
  decide(channel: Channel, packet: ConnectPacket): AuthenticationDecision | 'wait' {
    const { mqtt, pending, changes } = this.#access;
    if (!mqtt.required) return everybody;
    const known = this.#waiting.get(channel);
    if (known !== undefined) return this.#now(known, packet.clientId);
    if (Buffer.byteLength(packet.userName ?? '') > userNameBytesMax) return userNameTooLong;
    const credentials = new ConnectCredentials(channel, packet, this.#tokens.of(channel));
    const answer = mqtt.authenticate(credentials);
    if (!(answer instanceof Promise)) return answer;
    const onDecided = (decision: AuthenticationDecision) => {
      waiting.decision = decision.outcome === 'accepted' ? changes.waiting(decision.identity) : decision;
      channel.goOn();
    };
    const held = pending.hold(answer, onDecided, credentials.address);
    if (held === undefined) return noRoom;
    const waiting: Waiting = { pending: held };
    this.#waiting.set(channel, waiting);
    return 'wait';
  }

  /** An accepted CONNECT has to wait for its client id. Authenticators are not asked once more. */
  keep(channel: Channel, identity: Identity): void {
    const { mqtt, changes } = this.#access;
    if (!mqtt.required || this.#waiting.has(channel)) return;
    this.#waiting.set(channel, { decision: changes.waiting(identity) });
  }

  /** Users may have changed, and an operator may have ended connections, while it waited. */
  #now({ decision }: Waiting, clientId: string): AuthenticationDecision | 'wait' {
    if (decision === undefined) return 'wait';
    if ('outcome' in decision) return decision;
    const identity = this.#access.changes.now(decision, [clientId]);
    if (identity === 'revoked') return revokedMeanwhile;
    return identity === 'gone' ? badCredentials : { outcome: 'accepted', identity };
  }

  /** Bytes have come behind a CONNECT that waits. @returns false = there is no room for them */
  keeps(channel: Channel, bytes: number): boolean {
    return !this.isWaiting(channel) || this.#access.pending.keep(this.#waiting.get(channel)!.pending!, bytes);
  }

  /** Its CONNECT is answered, or it is gone. A second call does nothing. */
  release(channel: Channel): void {
    this.#tokens.release(channel);
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting.get(channel);
    if (waiting === undefined) return;
    if (waiting.pending !== undefined) this.#access.pending.cancel(waiting.pending);
    this.#waiting.delete(channel);
  }
}
