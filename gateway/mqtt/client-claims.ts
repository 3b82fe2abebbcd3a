import type { ClientRegistry, ClientUser } from '../../router/engine/cluster.js';
import type { Router } from '../../router/router.js';
import type { Sessions } from '../../router/session/sessions.js';
import type { SampledLog } from '../sampled-log.js';
import type { Channel } from './channel.js';
import { isMadeHere } from './client-id.js';
import type { ClientIdOwners } from './client-id-owners.js';
import type { PendingQos2 } from './pending-qos2.js';

interface Claim {
  readonly clientId: string;
  /** Its CONNECT waits; undefined = another node claims the client id. */
  readonly channel: Channel | undefined;
  /** For another node: the client id is let go. */
  readonly letGo?: () => void;
  /** refused = another user has it on another node. */
  state: 'in line' | 'asked' | 'ready' | 'refused';
}

export interface ClientClaimsParts {
  readonly router: Router;
  readonly sessions: Sessions;
  readonly pendingQos2: PendingQos2;
  readonly owners: ClientIdOwners;
  readonly log: SampledLog;
}

/**
 * The connections of each client id, one after the other. The next one's CONNECT waits until all that the one before has
 * sent is handled; and on Redis until the client id is this node's, and its session here. So does another node that claims
 * the client id. What their clients send meanwhile waits in their receive queues.
 *
 *     former connection   CONNECT      PUBLISH PUBLISH PUBLISH (closed)
 *     next one                    CONNECT [waits              ][Redis] CONNACK
 *     another node                            claims [waits                                 ] session
 */
export class ClientClaims {
  readonly #registry: ClientRegistry | undefined;
  readonly #sessions: Sessions;
  readonly #byChannel = new Map<Channel, Claim>();
  /** By client id, in order; the first may go on once the former connection is through. */
  readonly #lines = new Map<string, Claim[]>();

  constructor({ router, sessions, pendingQos2, owners, log }: ClientClaimsParts) {
    this.#registry = router.engine.clients;
    this.#sessions = sessions;
    this.#registry?.serve({
      router,
      sessions,
      clientIds: () => Array.from(sessions.all, ({ clientId }) => clientId).filter((id) => !isMadeHere(id)),
      userOf: (session) => owners.userOf(session),
      isWanted: (clientId) => this.#isWanted(clientId),
      finish: (clientId, isOlder, then) => this.#finish(clientId, isOlder, then),
      whenDecided: (session, ready) => pendingQos2.whenNone(session, ready),
      onLost: (clientId, node, messagesLost) =>
        log.warn(
          'session-moved',
          { clientId, node, messagesLost },
          'client has moved to another node: what waited for it here is lost',
        ),
      onKept: ({ clientId, pending }, node) =>
        log.warn(
          'session-kept',
          { clientId, node, messages: pending.inflight + pending.queued },
          'client has moved to another node, which cannot read its session: it stays here, and is offered again every 10 s. Run the same version on all nodes',
        ),
    });
  }

  /** Now. */
  get count(): number {
    return this.#byChannel.size;
  }

  /**
   * Call each time that an acceptable CONNECT is handled.
   * @param clientId chosen by the client @param user called where other nodes are asked
   * @returns whether it has to wait; it is handled again when it has not. 'refused' = another user has the client id on
   * another node
   */
  waits(channel: Channel, clientId: string, clean: boolean, user: () => ClientUser): boolean | 'refused' {
    let claim = this.#byChannel.get(channel);
    if (claim === undefined) {
      const isFree = !this.#lines.has(clientId) && !this.#formerIsReading(clientId);
      if (isFree && this.#registry === undefined) return false;
      claim = { clientId, channel, state: 'in line' };
      this.#byChannel.set(channel, claim);
      this.#join(claim);
    }
    if (!this.#isNext(claim)) return true;
    if (claim.state === 'in line') this.#ask(claim, channel, clean, user);
    if (claim.state === 'asked') return true;
    this.#leave(claim);
    return claim.state === 'refused' ? 'refused' : false;
  }

  /** The connection is gone. */
  release(channel: Channel): void {
    const claim = this.#byChannel.get(channel);
    if (claim !== undefined) {
      this.#leave(claim);
      // The client id was free, and its CONNECT was refused behind that.
      if (claim.state === 'ready' && !this.#isWanted(claim.clientId)) this.#registry?.release(claim.clientId);
    } else if (this.#lines.size > 0 && channel.session !== undefined)
      this.#callNext(channel.session.clientId);
  }

  /**
   * Another node has claimed a client id. @param isOlder its claim is older than that of who waits here
   * @param then called once all that the client has sent here before is handled
   */
  #finish(clientId: string, isOlder: boolean, then: () => void): void {
    const mayWait = isOlder || !this.#lines.has(clientId);
    if (mayWait && !this.#formerIsReading(clientId)) return then();
    this.#join({ clientId, channel: undefined, letGo: then, state: 'in line' }, isOlder);
  }

  #ask(claim: Claim, channel: Channel, clean: boolean, user: () => ClientUser): void {
    const { clientId } = claim;
    claim.state = this.#registry === undefined ? 'ready' : 'asked';
    let returned = false;
    this.#registry?.claim(clientId, clean, user(), (isAnothers) => {
      claim.state = isAnothers ? 'refused' : 'ready';
      if (!returned) return;
      if (this.#byChannel.get(channel) === claim) channel.goOn();
      else if (!isAnothers && !this.#isWanted(clientId)) this.#registry!.release(clientId);
    });
    returned = true;
  }

  #isWanted(clientId: string): boolean {
    return this.#lines.has(clientId) || this.#sessions.find(clientId) !== undefined;
  }

  #join(claim: Claim, isFirst = false): void {
    const { clientId } = claim;
    const line = this.#lines.get(clientId);
    if (line === undefined) this.#lines.set(clientId, [claim]);
    else if (isFirst) line.unshift(claim);
    else {
      const { channel } = line.at(-1)!;
      line.push(claim);
      if (channel !== undefined) this.#finishFormer(channel, clientId);
    }
  }

  #leave(claim: Claim): void {
    const { clientId, channel } = claim;
    if (channel !== undefined) this.#byChannel.delete(channel);
    const line = this.#lines.get(clientId)!;
    line.splice(line.indexOf(claim), 1);
    if (line.length === 0) this.#lines.delete(clientId);
    else this.#callNext(clientId);
  }

  #isNext(claim: Claim): boolean {
    return this.#lines.get(claim.clientId)?.[0] === claim && !this.#formerIsReading(claim.clientId);
  }

  #callNext(clientId: string): void {
    const next = this.#lines.get(clientId)?.[0];
    if (next?.channel !== undefined) next.channel.goOn();
    else if (next !== undefined) setImmediate(() => this.#letGo(next));
  }

  #letGo(claim: Claim): void {
    if (!this.#isNext(claim)) return;
    this.#leave(claim);
    claim.letGo!();
  }

  /** Whether packets of the former connection are still to be handled; if so, that connection ends behind them. */
  #formerIsReading(clientId: string): boolean {
    const former = this.#sessions.find(clientId)?.connection as Channel | undefined;
    if (former === undefined || !former.isReading) return false;
    this.#finishFormer(former, clientId);
    return true;
  }

  #finishFormer(former: Channel, clientId: string): void {
    if (former.finish(clientId)) this.#sessions.counters.takenOver++;
  }
}
