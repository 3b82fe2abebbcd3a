import { type AuthenticationDecision, badCredentials, type Credentials } from '../../access/authenticator.js';
import { unrestricted } from '../../access/identity.js';
import { userNameBytesMax } from '../../access/user-names.js';
import type { AccessControl } from '../access-control.js';
import type { TokenOfRequest } from '../http/http-credentials.js';
import { noRoom, type PendingDecision } from '../pending-decisions.js';
import type { Channel } from './channel.js';
import type { ConnectPacket } from './connect-packet.js';
import type { UpgradeTokens } from './upgrade-tokens.js';

/** A CONNECT that had to wait for an authenticator. */
interface Waiting {
  readonly pending: PendingDecision;
  decision: AuthenticationDecision | undefined;
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
 */
export class ConnectAuthentication {
  readonly #access: Pick<AccessControl, 'mqtt' | 'pending' | 'renew'>;
  readonly #tokens: UpgradeTokens;
  readonly #waiting = new Map<Channel, Waiting>();

  constructor(access: Pick<AccessControl, 'mqtt' | 'pending' | 'renew'>, tokens: UpgradeTokens) {
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
    const { mqtt, pending } = this.#access;
    if (!mqtt.required) return everybody;
    const known = this.#waiting.get(channel);
    if (known !== undefined) return known.decision === undefined ? 'wait' : this.#now(known.decision);
    if (Buffer.byteLength(packet.userName ?? '') > userNameBytesMax) return userNameTooLong;
    const credentials = credentialsOf(channel, packet, this.#tokens.of(channel));
    const answer = mqtt.authenticate(credentials);
    if (!(answer instanceof Promise)) return answer;
    const onDecided = (decision: AuthenticationDecision) => {
      waiting.decision = decision;
      channel.goOn();
    };
    const held = pending.hold(answer, onDecided, credentials.address);
    if (held === undefined) return noRoom;
    const waiting: Waiting = { pending: held, decision: undefined };
    this.#waiting.set(channel, waiting);
    return 'wait';
  }

  /** A CONNECT may wait for another node once it is decided, and users may change meanwhile. */
  #now(decision: AuthenticationDecision): AuthenticationDecision {
    if (decision.outcome !== 'accepted') return decision;
    const identity = this.#access.renew(decision.identity);
    return identity === undefined ? badCredentials : { outcome: 'accepted', identity };
  }

  /** Bytes have come behind a CONNECT that waits. @returns false = there is no room for them */
  keeps(channel: Channel, bytes: number): boolean {
    return !this.isWaiting(channel) || this.#access.pending.keep(this.#waiting.get(channel)!.pending, bytes);
  }

  /** Its CONNECT is answered, or it is gone. A second call does nothing. */
  release(channel: Channel): void {
    this.#tokens.release(channel);
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting.get(channel);
    if (waiting === undefined) return;
    this.#access.pending.cancel(waiting.pending);
    this.#waiting.delete(channel);
  }
}

/** @param token of the request that became its WebSocket; it counts where CONNECT has no password */
function credentialsOf(
  channel: Channel,
  { clientId, userName, password }: ConnectPacket,
  token: TokenOfRequest | undefined,
): Credentials {
  const { certificateName } = channel.socket;
  return {
    transport: 'mqtt',
    address: channel.remoteAddress(),
    clientId,
    ...(userName !== undefined && { userName }),
    ...(password === undefined ? token : { password }),
    ...(certificateName !== undefined && { certificateNames: [certificateName] }),
  };
}
