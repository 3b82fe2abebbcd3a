import type { ClientRegistry } from '../../router/engine/cluster.js';
import type { Router } from '../../router/router.js';
import type { Session } from '../../router/session/session.js';
import type { Sessions } from '../../router/session/sessions.js';
import type { SampledLog } from '../sampled-log.js';
import type { Channel } from './channel.js';
import { isMadeHere } from './client-id.js';

interface Claim {
  readonly channel: Channel;
  readonly clientId: string;
  ready: boolean;
}

export interface ClientClaimsParts {
  readonly router: Router;
  readonly sessions: Sessions;
  readonly log: SampledLog;
}

/**
 * CONNECTs that wait until their client id is this node's: for Redis, and for the node that has the client's session. What
 * their clients send meanwhile waits in their receive queues. In a single process nothing waits.
 */
export class ClientClaims {
  readonly #registry: ClientRegistry | undefined;
  readonly #sessions: Sessions;
  readonly #byChannel = new Map<Channel, Claim>();
  readonly #byClientId = new Map<string, Claim>();
  /** Set by Channels. */
  close: (channel: Channel, clientId: string) => void = () => {};
  goOn: (channel: Channel) => void = () => {};
  whenDecided: (session: Session, ready: () => void) => void = (_session, ready) => ready();

  constructor({ router, sessions, log }: ClientClaimsParts) {
    this.#registry = router.clients;
    this.#sessions = sessions;
    this.#registry?.serve({
      router,
      sessions,
      clientIds: () => Array.from(sessions.all, ({ clientId }) => clientId).filter((id) => !isMadeHere(id)),
      displace: (clientId) => this.#displace(clientId),
      whenDecided: (session, ready) => this.whenDecided(session, ready),
      onLost: (clientId, node, messagesLost) =>
        log.warn(
          'session-moved',
          { clientId, node, messagesLost },
          'client has moved to another node: what waited for it here is lost',
        ),
    });
  }

  /** Now. */
  get count(): number {
    return this.#byChannel.size;
  }

  /** Whether its CONNECT waits. */
  has(channel: Channel): boolean {
    return this.#byChannel.size > 0 && this.#byChannel.has(channel);
  }

  /**
   * A CONNECT that may be accepted, each time that it is handled.
   * @param clientId chosen by the client @returns whether it has to wait; `goOn` is called when it has not
   */
  waits(channel: Channel, clientId: string, clean: boolean): boolean {
    if (this.#registry === undefined) return false;
    const known = this.#byChannel.get(channel);
    if (known !== undefined) {
      if (known.ready) this.#forget(known);
      return !known.ready;
    }
    this.#displace(clientId);
    const claim: Claim = { channel, clientId, ready: false };
    let waiting = false;
    this.#registry.claim(clientId, clean, () => {
      claim.ready = true;
      if (!waiting) return;
      if (this.#byChannel.get(channel) === claim) this.goOn(channel);
      else if (!this.#isWanted(clientId)) this.#registry!.release(clientId);
    });
    if (claim.ready) return false;
    waiting = true;
    this.#byChannel.set(channel, claim);
    this.#byClientId.set(clientId, claim);
    return true;
  }

  /** The connection is gone. */
  release(channel: Channel): void {
    const claim = this.#byChannel.get(channel);
    if (claim !== undefined) this.#forget(claim);
  }

  #displace(clientId: string): boolean {
    const claim = this.#byClientId.get(clientId);
    if (claim === undefined) return false;
    this.#forget(claim);
    this.close(claim.channel, clientId);
    return true;
  }

  #isWanted(clientId: string): boolean {
    return this.#byClientId.has(clientId) || this.#sessions.find(clientId) !== undefined;
  }

  #forget(claim: Claim): void {
    this.#byChannel.delete(claim.channel);
    if (this.#byClientId.get(claim.clientId) === claim) this.#byClientId.delete(claim.clientId);
  }
}
