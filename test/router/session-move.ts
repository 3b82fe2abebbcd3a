import {
  encodeSessions,
  type Router,
  type Session,
  SessionDecoder,
  SessionGate,
  type Sessions,
  type Subscription,
} from '../../router/index.js';
import type { SimulatedClient } from './simulated-client.js';

/** One session on its way between two nodes of one router, in the steps of a real one, as bytes. */
export class SessionMove {
  readonly #router: Router;
  readonly #client: SimulatedClient;
  readonly #from: Sessions;
  readonly #to: Sessions;
  readonly #leaving: Session;
  readonly #arriving: Session;
  readonly #subscriptions: readonly Subscription[];
  readonly #gates: readonly SessionGate[];
  #marked = false;

  /** The client has connected to the other node. @param prior a packet id of a session that the other node had forgotten */
  constructor(router: Router, client: SimulatedClient, to: Sessions, prior: number) {
    client.moving = true;
    this.#router = router;
    this.#client = client;
    this.#from = client.sessions;
    this.#to = to;
    if (prior === 0) to.adopt(client.clientId, undefined);
    this.#leaving = this.#from.depart(client.clientId)!;
    this.#subscriptions = router.subscriptionsOf(this.#leaving);
    this.#arriving = to.adopt(client.clientId, { address: '10.0.0.1', userName: undefined })!;
    this.#gates = [
      new SessionGate(() => !this.#marked, this.#leaving),
      new SessionGate(() => this.#marked, this.#arriving),
    ];
    for (const gate of this.#gates)
      for (const { filter, options } of this.#subscriptions) router.subscribe(filter, gate, options);
    router.logout(this.#leaving);
  }

  /** @returns whether it has arrived */
  step(): boolean {
    if (!this.#marked) {
      this.#marked = true;
      return false;
    }
    const { clientId } = this.#leaving;
    const [owner, expirySec] = [this.#from.ownerOf(this.#leaving), this.#from.away.expiryOf(this.#leaving)];
    const flow = this.#leaving.take();
    this.#from.departed(this.#leaving);
    const decoder = new SessionDecoder();
    const sent = [{ clientId, owner, expirySec, flow, subscriptions: this.#subscriptions }];
    const [decoded] = [...encodeSessions(sent)].flatMap((chunk) => decoder.read(chunk));
    this.#arriving.put(decoded!);
    for (const { filter, options } of decoded!.subscriptions)
      this.#router.subscribe(filter, this.#arriving, options);
    for (const gate of this.#gates) this.#router.logout(gate);
    this.#client.goTo(this.#to, decoded!.inflight);
    this.#client.moving = false;
    return true;
  }
}
