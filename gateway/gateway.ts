import type { Logger } from 'pino';
import type { Authenticator } from '../access/authenticator.js';
import type { Router } from '../router/router.js';
import { ticksPerSec } from './clock.js';
import { ClusterStats } from './cluster/cluster-stats.js';
import { Kicks } from './cluster/kicks.js';
import { SubscriberLocations } from './cluster/subscriber-locations.js';
import type { Config } from './config.js';
import { walkConnections } from './connection-walk.js';
import { drain } from './drain.js';
import { expiryActionsOf } from './expiry-actions.js';
import { ApiGuard } from './http/api-guard.js';
import { type ApiParts, bindApi } from './http/api-routes.js';
import type { Bodies } from './http/body.js';
import { bindRestOfApi, bindRestOfGateway } from './http/not-found.js';
import { apiFacts } from './http/page-address-script.js';
import { bindProbes } from './http/probes.js';
import { bindPublicPages } from './http/public-routes.js';
import { Poll } from './http/streams/poll.js';
import { Stream } from './http/streams/stream.js';
import { bindStreamRoom } from './http/streams/stream-room.js';
import { IdleSockets } from './idle-sockets.js';
import { Listeners } from './listeners.js';
import type { LogNumbers } from './log/log-writer.js';
import { MemoryGauge } from './memory.js';
import { bindMqttRoom } from './mqtt-room.js';
import { DuplicateNodeNames } from './node-name.js';
import type { ListenerState, OperatedNode } from './operated-node.js';
import { Reclaimer } from './reclaim.js';
import { RightsReview } from './rights-review.js';
import { holdsConnections, type NodeRole, takesSends } from './role.js';
import { RuntimeGauges } from './runtime-gauges.js';
import { type SharedParts, sharedParts } from './shared-parts.js';
import { Stats, type StatsParts } from './stats.js';
import { Sweeper } from './sweeper.js';
import type { ListeningPorts } from './workers/worker.js';

/**
 * The gateway's listeners and what stands between them and the router. Listens, and stops gracefully. In the role of a
 * gateway its API answers probes alone, in that of a router it takes no connections.
 */
export class Gateway {
  readonly #shared: SharedParts;
  readonly #log: Logger;
  readonly #role: NodeRole;
  readonly #listeners: Listeners;
  readonly #guard: ApiGuard;
  readonly #sweeper: Sweeper;
  readonly #runtime = new RuntimeGauges();
  readonly stats: Stats;
  /** The operator's listener shows and changes the node through this. */
  readonly operated: Omit<OperatedNode, 'reload'>;
  /** The reason why nothing should be sent here, besides what the engine knows. */
  #notReady: string | undefined = 'starting';
  /** So many drains have begun or were undone: each ends connections only while it is the last one. */
  #drains = 0;
  #isUndraining = false;

  /** @throws ConfigError when more connections are asked for than descriptors allow, or a rule cannot be read */
  constructor(
    router: Router,
    config: Config,
    log: Logger,
    role: NodeRole = 'both',
    logNumbers: LogNumbers = { pendingBytes: 0, droppedLines: 0 },
    authenticators: readonly Authenticator[] = [],
  ) {
    const shared = sharedParts(router, config, log, authenticators);
    const listeners = new Listeners(shared, role, log);
    this.#shared = shared;
    this.#log = log;
    this.#role = role;
    this.#listeners = listeners;
    this.#guard = new ApiGuard(shared);
    const unsent = bindStreamRoom(listeners.public.door, shared);
    const mqtt = bindMqttRoom(listeners, shared);
    const adminSockets = { open: 0, refused: 0 };
    const rooms = { unsent, mqtt, log: logNumbers, runtime: this.#runtime, adminSockets };
    this.stats = statsOf(shared, listeners, rooms);
    new RightsReview(shared.connections, shared.access);
    this.#bindPages();
    const { cluster } = router.engine;
    const clusterStats = cluster && new ClusterStats(this.stats, cluster, config.countWaitMs);
    const subscriberLocations = new SubscriberLocations(router, config); // answers other nodes in any role
    const kicks = new Kicks(shared); // they answer other nodes in any role, too
    const bodies = this.#bindApi({ clusterStats, subscriberLocations, unsent, kicks });
    this.operated = {
      shared,
      role,
      stats: this.stats,
      clusterStats,
      subscriberLocations,
      kicks,
      mqtt,
      adminSockets,
      watch: () => this.#runtime.watch(),
      listeners: () => this.#listenerStates(),
      whyNotReady: () => this.#whyNotReady(),
      warning: () => router.engine.warning,
      drain: (drainSec) => this.#drain(drainSec),
      takesClients: () => this.#notReady === undefined,
      isDraining: () => this.#notReady === draining,
      undrain: () => this.#undrain(),
    };
    this.#sweeper = new Sweeper(shared.clock, shared.connections, [
      () => bodies?.expire(),
      () => mqtt.tick(),
      ...tasksOf(shared, clusterStats, log),
      () => this.#runtime.tick(),
      () => listeners.certificates?.tick(),
      () => listeners.resume(),
    ]);
  }

  /** The URL of the public listener; undefined where its role has none. */
  get url(): string | undefined {
    return holdsConnections(this.#role) ? this.#listeners.public.listener.url : undefined;
  }

  get apiUrl(): string {
    return this.#listeners.api.listener.url;
  }

  /** The ports on which it listens; the system chose them where the setting is 0. */
  get ports(): ListeningPorts {
    const { public: clients, api } = this.#listeners;
    return { port: clients.listener.port, apiPort: api.listener.port };
  }

  /** The number of client connections that are open now. */
  get connectionsOpen(): number {
    return this.#shared.connections.open;
  }

  /** @throws ListenError */
  async start(): Promise<void> {
    await this.#shared.router.start();
    await this.#listeners.open(({ url, onAnyAddress }) => this.#guard.allowGateway(url, onAnyAddress));
    this.#sweeper.start();
    this.#notReady = undefined;
  }

  #bindPages(): void {
    const { config } = this.#shared;
    const { door } = this.#listeners.public;
    const apiUrl = () => (takesSends(this.#role) ? this.apiUrl : null);
    bindPublicPages(door, config, this.stats, () => ({
      ...apiFacts(apiUrl(), config.apiHost, this.#guard.tokenRequired),
      mqtt: config.mqtt,
    }));
    bindRestOfGateway(door, config.mqtt ? config.mqttPath : undefined);
  }

  #bindApi(
    of: Pick<ApiParts, 'clusterStats' | 'subscriberLocations' | 'unsent' | 'kicks'>,
  ): Bodies | undefined {
    const { door } = this.#listeners.api;
    const { router } = this.#shared;
    const parts = {
      ...this.#shared,
      ...of,
      guard: this.#guard,
      stats: this.stats,
      whyNotReady: () => this.#whyNotReady(),
      warning: () => router.engine.warning,
    };
    bindProbes(door, parts);
    const bodies = takesSends(this.#role) ? bindApi(door, parts) : undefined;
    bindRestOfApi(door, takesSends(this.#role) ? apiHint : probesHint);
    return bodies;
  }

  /** Cuts the HTTP streams and polls of some ids: they come back with their cursors, and are told whether something is missing. */
  async announceGap(concerns: (id: string) => boolean): Promise<void> {
    await walkConnections(this.#shared.connections, (connection) => {
      if (!(connection instanceof Stream || connection instanceof Poll)) return;
      if (connection.ids.some(concerns)) connection.cut('history-gap');
    });
  }

  /**
   * Stops accepting, and ends the connections spread over `drainSec`, so that clients come back somewhere else one
   * by one and not all at once. The API goes on answering meanwhile: /ready says no.
   */
  async stop(): Promise<void> {
    this.#notReady = 'stopping';
    const { access, admission, connections, outbound, config, router } = this.#shared;
    admission.refuseAll();
    access.pending.refuseAll();
    this.#listeners.closePublic();
    await drain(connections, outbound, config.drainSec);
    await this.#handOver();
    this.#listeners.closeApi();
    this.#sweeper.stop();
    this.#runtime.stop();
    await access.stop();
    await router.stop();
  }

  async #drain(drainSec: number): Promise<void> {
    if (this.#notReady !== undefined) return;
    const { admission, connections, outbound } = this.#shared;
    this.#notReady = draining;
    admission.refuseAll();
    this.#listeners.closePublic();
    const started = ++this.#drains;
    await drain(
      connections,
      outbound,
      drainSec,
      () => this.#drains === started && this.#notReady === draining,
    );
  }

  async #undrain(): Promise<void> {
    if (this.#notReady !== draining || this.#isUndraining) return;
    this.#isUndraining = true;
    this.#drains++; // none is ended from here on, also if the node is drained again soon
    try {
      await this.#listeners.openPublic();
    } catch (error) {
      this.#listeners.closePublic(); // of two listeners one may be open, and could not be opened again
      throw error;
    } finally {
      this.#isUndraining = false;
    }
    if (this.#notReady !== draining) return this.#listeners.closePublic(); // it stops meanwhile
    this.#shared.admission.admitAgain();
    this.#notReady = undefined;
  }

  #listenerStates(): ListenerState[] {
    return this.#listeners.all.map(([name, { url, sockets }]) => ({ name, url, sockets }));
  }

  /** Hands over messages that wait for clients that are away. */
  async #handOver(): Promise<void> {
    const handed = await this.#shared.router.engine.clients?.handOver();
    if (handed === undefined || handed.adopted + handed.lost === 0) return;
    if (handed.lost === 0) this.#log.info(handed, 'sessions of clients that are away are with other nodes');
    else
      this.#log.warn(
        handed,
        'sessions of clients that are away are lost, as no other node took them: stop nodes one by one, and give the others room (--mqtt-max-sessions)',
      );
  }

  #whyNotReady(): string | undefined {
    return this.#notReady ?? this.#shared.router.engine.trouble;
  }
}

/** The answer of /ready while an operator has taken the node out. */
const draining = 'draining: an operator has taken it out, and can take it in again (encke ctl undrain)';

/** Other programs can learn this node's numbers anew so often. */
const reportSec = 5;

const apiHint = 'POST /send/<id>, POST /send, POST /kick, GET /ids/<id>, /graph, /stats, /health, /ready.';
const probesHint = 'This node only holds connections: GET /stats, /health, /ready; send to a router.';

function statsOf(
  shared: SharedParts,
  { public: clients, mqtt, api, certificates }: Listeners,
  rooms: Pick<StatsParts, 'unsent' | 'mqtt' | 'log' | 'runtime' | 'adminSockets'>,
): Stats {
  const isApi = (socket: number) => api.listener.accepted(socket);
  return new Stats({
    ...shared,
    ...rooms,
    memory: new MemoryGauge(),
    idleSockets: new IdleSockets(shared.apiSockets, shared.descriptorsMax, isApi, shared.log),
    certificates,
    listeners: { gateway: clients.listener, api: api.listener, mqtt: mqtt?.listener },
  });
}

/** The sweeper runs these tasks in each tick, besides those of the rooms. */
function tasksOf(shared: SharedParts, clusterStats: ClusterStats | undefined, log: Logger): (() => void)[] {
  const { router, config, clock, counters, slowConsumers, publicSockets, access, connections } = shared;
  const duplicateNames = new DuplicateNodeNames(router.engine.cluster, log);
  const reclaimer = new Reclaimer(config, log);
  const isEach = (sec: number) => clock.tick % (sec * ticksPerSec) === 0;
  const expiry = expiryActionsOf(connections);
  return [
    () => router.history.tick(performance.now()),
    () => router.graph.tick(),
    () => reclaimer.tick(counters, router.messages),
    () => duplicateNames.tick(),
    () => isEach(reportSec) && clusterStats?.report(),
    () => isEach(1) && slowConsumers.cutStalled(),
    () => publicSockets.tick(),
    () => access.pending.tick(),
    () => access.identities.tick(expiry),
  ];
}
