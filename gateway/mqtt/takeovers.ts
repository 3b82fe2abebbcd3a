import type { Cluster, ClusterNode } from '../../router/engine/cluster.js';
import type { Router } from '../../router/router.js';
import type { Sessions } from '../../router/session/sessions.js';
import type { SampledLog } from '../sampled-log.js';
import { ConnectStamps } from './connect-stamps.js';
import { type Arrival, decodeBatch, encodeBatches } from './takeover-batch.js';

const topic = 'takeover';
/** For so long it is remembered when a client id connected, or twice that: nodes hear of a CONNECT long before. */
const memorySec = 10;
/** CONNECTs that are remembered for that time: 5,000 a second take 50,000. */
const rememberedMax = 100_000;
/** So long after NATS was away all other nodes are back, too: they notice within 6 s. What is announced before is announced again. */
const settledSec = 8;
/** CONNECTs that have not been announced, as while NATS is away. Past it those of longest ago are not announced at all. */
const waitingMax = 100_000;

/**
 * One client id, one connection, over all nodes [MQTT-3.1.4-2]. A node announces who has connected to it, all of one
 * turn of the loop together; a node that has a session of such a client closes its connection and ends it:
 *
 *     node A   CONNECT x ──── announce x, stamp 7 ───┐        ┌─ closes its x: 7 is before 8
 *     node B   CONNECT x ──────── announce x, 8 ─────┴────────┴─ keeps its x, and says 8 again
 *
 * Where both have heard of each other too late, the greater stamp stays, or at equal ones the greater run.
 */
export class Takeovers {
  readonly #router: Router;
  readonly #cluster: Cluster | undefined;
  readonly #sessions: Sessions;
  readonly #log: SampledLog;
  readonly #stamps = new ConnectStamps(rememberedMax);
  /** Not announced yet, with their stamps. */
  readonly #waiting = new Map<string, number>();
  /** To be announced again, as others may not be back yet. */
  #again = new Map<string, number>();
  #scheduled = false;
  #nowSec = 0;
  #awaySec = Number.NEGATIVE_INFINITY;
  #agedSec = 0;
  #announced = 0;
  #heard = 0;
  #unannounced = 0;

  constructor({ router, sessions, log }: { router: Router; sessions: Sessions; log: SampledLog }) {
    this.#router = router;
    this.#cluster = router.clients === undefined ? router.cluster : undefined;
    this.#sessions = sessions;
    this.#log = log;
    this.#cluster?.onAnnouncement(topic, (body, from) => this.#hear(body, from));
  }

  /** A client that chose its id has connected to this node. */
  connected(clientId: string): void {
    if (this.#cluster === undefined) return;
    this.#announce(clientId, this.#stamps.take(clientId));
  }

  /** In each tick of the sweeper. */
  tick(nowSec: number): void {
    this.#nowSec = nowSec;
    if (!this.#router.carries) this.#awaySec = nowSec;
    if (nowSec - this.#agedSec >= memorySec) {
      this.#agedSec = nowSec;
      this.#stamps.age();
    }
    if (this.#again.size > 0 && this.#settled) this.#announceAgain();
    if (this.#waiting.size > 0) this.#schedule();
  }

  /** Client ids, since the start: told to the others, heard from them, never told; and not told yet. */
  stats() {
    return {
      announced: this.#announced,
      heard: this.#heard,
      unannounced: this.#unannounced,
      waiting: this.#waiting.size,
    };
  }

  get #settled(): boolean {
    return this.#nowSec - this.#awaySec >= settledSec;
  }

  #announceAgain(): void {
    const again = this.#again;
    this.#again = new Map();
    for (const [clientId, stamp] of again) if (!this.#waiting.has(clientId)) this.#announce(clientId, stamp);
  }

  #announce(clientId: string, stamp: number): void {
    this.#waiting.delete(clientId); // to the end of the Map
    if (this.#waiting.size >= waitingMax) {
      this.#waiting.delete(this.#waiting.keys().next().value!);
      this.#unannounced++;
    }
    this.#waiting.set(clientId, stamp);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (!this.#router.carries) {
      this.#awaySec = this.#nowSec;
      return; // a later tick tries again
    }
    const arrivals: Arrival[] = [];
    const freshMs = Date.now() - memorySec * 1000;
    for (const [clientId, stamp] of this.#waiting) {
      // Who has gone again while NATS was away may be at another node by now, and that has forgotten since when.
      const isHere = this.#sessions.find(clientId)?.connection !== undefined;
      if (isHere || stamp >= freshMs) arrivals.push({ clientId, stamp });
    }
    this.#waiting.clear();
    if (!this.#settled) this.#noteAgain(arrivals);
    this.#announced += arrivals.length;
    for (const batch of encodeBatches(arrivals)) this.#cluster!.announce(topic, batch);
  };

  #noteAgain(arrivals: readonly Arrival[]): void {
    for (const { clientId, stamp } of arrivals) {
      if (this.#again.size < waitingMax) this.#again.set(clientId, stamp);
    }
  }

  #hear(body: Uint8Array, from: ClusterNode): void {
    for (const { clientId, stamp } of decodeBatch(body)) {
      this.#heard++;
      this.#stamps.hear(stamp);
      if (this.#sessions.find(clientId) === undefined) continue;
      const own = this.#stamps.of(clientId);
      if (own !== undefined && this.#isLater(own, stamp, from)) this.#announce(clientId, own);
      else this.#move(clientId, from);
    }
  }

  #isLater(own: number, stamp: number, from: ClusterNode): boolean {
    return own > stamp || (own === stamp && this.#cluster!.self.run > from.run);
  }

  #move(clientId: string, to: ClusterNode): void {
    const lostBefore = this.#sessions.droppedTotal;
    this.#sessions.move(clientId);
    const messagesLost = this.#sessions.droppedTotal - lostBefore;
    if (messagesLost === 0) return;
    const what = { clientId, node: to.name, messagesLost };
    this.#log.warn(
      'session-moved',
      what,
      'client has moved to another node: what waited for it here is lost',
    );
  }
}
