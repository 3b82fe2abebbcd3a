import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Router } from '../router/router.js';
import { Sessions } from '../router/session/sessions.js';
import { Admission } from './admission.js';
import { HostNames } from './auth/host-names.js';
import { Clock, ticksPerSec } from './clock.js';
import type { RefusalReason } from './close-reason.js';
import { ClusterStats } from './cluster/cluster-stats.js';
import { Whereabouts } from './cluster/whereabouts.js';
import type { Config } from './config.js';
import { Connections } from './connections.js';
import { Counters } from './counters.js';
import { apiSocketsBeyond, refusalSockets, reserveOf, streamCapacity } from './descriptors.js';
import { drain } from './drain.js';
import { FairTurns } from './fair-turns.js';
import { ApiGuard } from './http/api-guard.js';
import { bindApi } from './http/api-routes.js';
import { Cors } from './http/cors.js';
import { FrontDoor, type FrontDoorParts } from './http/front-door.js';
import { bindRest } from './http/methods.js';
import { apiFacts } from './http/page-address-script.js';
import { bindProbes } from './http/probes.js';
import { bindPublicPages } from './http/public-routes.js';
import { CatchUps } from './http/streams/catch-ups.js';
import { Poll } from './http/streams/poll.js';
import { bindPolls } from './http/streams/poll-routes.js';
import { Polls } from './http/streams/polls.js';
import { Stream } from './http/streams/stream.js';
import { StreamCursors } from './http/streams/stream-cursors.js';
import { bindStreams } from './http/streams/stream-routes.js';
import { StreamWire } from './http/streams/stream-wire.js';
import { Streams } from './http/streams/streams.js';
import { UnsentAnswers } from './http/streams/unsent-answers.js';
import { IdleSockets } from './idle-sockets.js';
import { type ListenAddress, listenAddressesOf } from './listen-address.js';
import { Listener } from './listener.js';
import type { LogNumbers } from './log/log-writer.js';
import { LoginShares } from './login-shares.js';
import { MemoryGauge } from './memory.js';
import { Mqtt } from './mqtt/mqtt.js';
import { sessionLimits } from './mqtt/session-limits.js';
import { Namesakes } from './node-name.js';
import { Outbound } from './outbound.js';
import { PeerProgress } from './peer-progress.js';
import { ReceiveThrottle } from './receive-throttle.js';
import { Reclaimer } from './reclaim.js';
import { holdsConnections, type NodeRole, takesSends } from './role.js';
import { SampledLog } from './sampled-log.js';
import { SlowConsumers } from './slow-consumers.js';
import { SocketBudget } from './socket-budget.js';
import { SocketOptions } from './socket-options.js';
import { Stats } from './stats.js';
import { Sweeper } from './sweeper.js';
import { uWS } from './uws.js';
import type { ListeningPorts } from './workers/worker.js';

/** Of connections in one turn of the loop. */
const gapCutsMax = 500;

/**
 * The gateway's listeners and what stands between them and the router. Listens, and stops gracefully. In the role of a
 * gateway its API answers probes alone, in that of a router it takes no connections.
 */
export class Gateway {
  readonly #router: Router;
  readonly #config: Config;
  readonly #log: Logger;
  readonly #role: NodeRole;
  readonly #connections: Connections;
  readonly #outbound: Outbound;
  readonly #admission: Admission;
  readonly #sweeper: Sweeper;
  readonly #socketOptions: SocketOptions;
  readonly #guard: ApiGuard;
  readonly #public: Listener;
  readonly #api: Listener;
  /** For MQTT alone, where one is asked for. */
  readonly #mqttOnly: Listener | undefined;
  readonly stats: Stats;
  /** Why nothing should be sent here, besides what the engine knows. */
  #notReady: string | undefined = 'starting';

  /** @throws ConfigError when more connections are asked for than descriptors allow, or a rule cannot be read */
  constructor(
    router: Router,
    config: Config,
    log: Logger,
    role: NodeRole = 'both',
    logNumbers: LogNumbers = { pendingBytes: 0, droppedLines: 0 },
  ) {
    const capacity = streamCapacity(config.connectionsMax, config.apiSocketsMax);
    const counters = new Counters();
    const clock = new Clock(config.heartbeatSec);
    const sampledLog = new SampledLog(log);
    const connections = new Connections(capacity);
    const publicSockets = new SocketBudget(capacity + refusalSockets);
    const descriptorsMax = () => publicSockets.peak + reserveOf(config.apiSocketsMax);
    const progress = new PeerProgress(descriptorsMax, config.socketUnsentBytesMax);
    const slowConsumers = new SlowConsumers(connections, counters, config, sampledLog, progress);
    const outbound = new Outbound(connections, counters, slowConsumers);
    const admission = new Admission(connections, outbound, counters, config.connectionsPerAddressMax);
    const loginShares = new LoginShares(router, config);
    const shared = {
      router,
      config,
      clock,
      counters,
      log: sampledLog,
      connections,
      admission,
      outbound,
      loginShares,
    };
    const { history } = router;
    const cursors = new StreamCursors(history, connections);
    const wire = new StreamWire(connections, counters, clock, cursors);
    const catchUps = new CatchUps(history, connections, outbound);
    const streams = new Streams({ ...shared, slowConsumers, wire, cursors, catchUps });
    const unsent = new UnsentAnswers(config.pendingBytesTotalMax);
    const polls = new Polls({ ...shared, unsent });
    const sessions = new Sessions(router, sessionLimits(config, sampledLog, router.clients));
    const turns = new FairTurns(outbound, config.turnBudgetMs, router);
    const mqtt = new Mqtt({ ...shared, sessions, turns });
    const publicApp = uWS.App();
    const apiApp = uWS.App();
    const isClosing = () => admission.stopping;
    const hosts = HostNames.ofListener(config.host, config.allowedHosts);
    const onRefused = (reason: RefusalReason) => counters.refused[reason]++;
    const publicDoor = new FrontDoor(publicApp, { hosts, isClosing, onRefused });
    const apiDoor = new FrontDoor(apiApp, {
      hosts: undefined, // see ApiGuard
      isClosing,
      onRefused: (_reason, status) => counters.countApiError(status),
    });
    const { apiSocketsMax } = config;
    const apiSockets = new SocketBudget(apiSocketsMax + apiSocketsBeyond(apiSocketsMax), apiSocketsMax);
    this.#router = router;
    this.#config = config;
    this.#log = log;
    this.#role = role;
    this.#connections = connections;
    this.#outbound = outbound;
    this.#admission = admission;
    this.#guard = new ApiGuard(config, counters);
    const addresses = listenAddressesOf(config, role);
    const portsShared = config.workers > 0;
    const options = new SocketOptions(config, log);
    this.#socketOptions = options;
    this.#public = new Listener(publicApp, addresses.gateway, portsShared, publicSockets, options, log);
    // A publisher that pipelines reads its answers later: those that the kernel does not take at once end its connection.
    const apiOptions = new SocketOptions({ ...config, socketUnsentBytesMax: 0 }, log);
    this.#api = new Listener(apiApp, addresses.api, portsShared, apiSockets, apiOptions, log);
    this.#mqttOnly =
      addresses.mqtt === undefined
        ? undefined
        : mqttListener(mqtt, config.mqttPath, addresses.mqtt, portsShared, publicSockets, options, log, {
            hosts,
            isClosing,
            onRefused,
          });
    const throttle = new ReceiveThrottle({
      receiveBufferBytes: config.socketReceiveBufferBytes,
      ports: () => [this.#public.port, this.#mqttOnly?.port ?? 0],
      descriptorsMax,
    });
    const idleSockets = new IdleSockets(
      apiSockets,
      descriptorsMax,
      (socket) => this.#api.accepted(socket),
      sampledLog,
    );
    turns.onTurn = () => throttle.step(mqtt.endTurn());
    this.stats = new Stats({
      router,
      connections,
      slowConsumers,
      unsent,
      counters,
      mqtt,
      memory: new MemoryGauge(),
      idleSockets,
      log: logNumbers,
      listeners: { gateway: this.#public, api: this.#api, mqtt: this.#mqttOnly },
    });
    if (config.mqtt) mqtt.bind(publicDoor, [config.mqttPath], this.#public.webSocketGone);
    const cors = new Cors(config.allowOrigin);
    bindStreams(publicDoor, { streams, config, counters, cors, history });
    bindPolls(publicDoor, { polls, streams, history, config, counters, cors });
    bindPublicPages(publicDoor, config, this.stats, () => ({
      ...apiFacts(takesSends(role) ? this.apiUrl : null, config.apiHost, this.#guard.tokenRequired),
      mqtt: config.mqtt,
    }));
    const orMqtt = config.mqtt ? `, or ${config.mqttPath} with a WebSocket` : '';
    bindRest(publicDoor, `Not here. Try /, /test/<id>, /events/<id>, /poll/<id> or /stream/<id>${orMqtt}.`);
    const { cluster } = router;
    const { stats } = this;
    const whereabouts = new Whereabouts(router, config);
    const clusterStats = cluster && new ClusterStats(stats, cluster, config.countWaitMs);
    const probes = {
      counters,
      guard: this.#guard,
      stats,
      clusterStats,
      whyNotReady: () => this.#whyNotReady(),
      warning: () => this.#router.warning,
    };
    bindProbes(apiDoor, probes);
    const bodies = takesSends(role)
      ? bindApi(apiDoor, { ...probes, router, config, whereabouts, turns })
      : undefined;
    bindRest(apiDoor, takesSends(role) ? apiHint : probesHint);
    const namesakes = new Namesakes(router.cluster, log);
    const reclaimer = new Reclaimer(config, log);
    this.#sweeper = new Sweeper(clock, connections, [
      () => bodies?.expire(),
      () => mqtt.tick(),
      () => history.tick(performance.now()),
      () => reclaimer.tick(counters, router.messages),
      () => namesakes.tick(),
      () => clock.tick % (reportSec * ticksPerSec) === 0 && clusterStats?.report(),
      () => clock.tick % ticksPerSec === 0 && slowConsumers.cutStalled(),
      () => publicSockets.tick(),
      () => this.#public.resume(),
      () => this.#mqttOnly?.resume(),
      () => this.#api.resume(),
    ]);
  }

  /** Of the public listener, where its role has one. */
  get url(): string | undefined {
    return holdsConnections(this.#role) ? this.#public.url : undefined;
  }

  get apiUrl(): string {
    return this.#api.url;
  }

  /** Those that it got, where free ones were asked for. */
  get ports(): ListeningPorts {
    return { port: this.#public.port, apiPort: this.#api.port };
  }

  /** @throws ListenError */
  async start(): Promise<void> {
    await this.#router.start();
    await this.#socketOptions.load();
    if (holdsConnections(this.#role)) {
      await this.#public.open();
      await this.#mqttOnly?.open();
      this.#guard.allowGateway(this.#public.url, this.#public.onAnyAddress);
    }
    await this.#api.open();
    this.#sweeper.start();
    this.#notReady = undefined;
  }

  /** Cuts the HTTP streams and polls of some ids: they come back with their cursors, and are told whether something is missing. */
  async announceGap(concerns: (id: string) => boolean): Promise<void> {
    let cut = 0;
    for (const connection of this.#connections.slots) {
      if (!(connection instanceof Stream || connection instanceof Poll)) continue;
      if (!connection.ids.some(concerns)) continue;
      connection.cut('history-gap');
      if (++cut % gapCutsMax === 0) await nextTurn();
    }
  }

  /**
   * Stops accepting, and ends the connections spread over `drainSec`, so that clients come back somewhere else one
   * by one and not all at once. The API goes on answering meanwhile: /ready says no.
   */
  async stop(): Promise<void> {
    this.#notReady = 'stopping';
    this.#admission.refuseAll();
    this.#public.close();
    this.#mqttOnly?.close();
    await drain(this.#connections, this.#outbound, this.#config.drainSec);
    await this.#handOver();
    this.#api.close();
    this.#sweeper.stop();
    await this.#router.stop();
  }

  /** What waits for clients that are away. */
  async #handOver(): Promise<void> {
    const handed = await this.#router.clients?.handOver();
    if (handed === undefined || handed.adopted + handed.lost === 0) return;
    if (handed.lost === 0) this.#log.info(handed, 'sessions of clients that are away are with other nodes');
    else
      this.#log.warn(
        handed,
        'sessions of clients that are away are lost, as no other node took them: stop nodes one by one, and give the others room (--mqtt-max-sessions)',
      );
  }

  #whyNotReady(): string | undefined {
    return this.#notReady ?? this.#router.trouble;
  }
}

/** How often other programs can learn this node's numbers anew. */
const reportSec = 5;

const apiHint = 'Not here. POST /send/<id>, POST /send, GET /ids/<id>, /stats, /health, /ready.';
const probesHint =
  'Not here: this node only holds connections. GET /stats, /health, /ready; send to a router.';

function mqttListener(
  mqtt: Mqtt,
  path: string,
  address: ListenAddress,
  shared: boolean,
  sockets: SocketBudget,
  options: SocketOptions,
  log: Logger,
  door: FrontDoorParts,
): Listener {
  const app = uWS.App();
  const listener = new Listener(app, address, shared, sockets, options, log);
  const mqttDoor = new FrontDoor(app, door);
  mqtt.bind(mqttDoor, [...new Set([path, '/'])], listener.webSocketGone);
  bindRest(mqttDoor, `Not here. MQTT over WebSocket is on ${path}, and on /.`);
  return listener;
}
