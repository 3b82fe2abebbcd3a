import uWS from 'uWebSockets.js';
import type { Logger } from 'pino';
import type { Router } from '../router/router.js';
import { Sessions } from '../router/session/sessions.js';
import { Admission } from './admission.js';
import { isLoopback } from './auth/host-address.js';
import { Clock, ticksPerSec } from './clock.js';
import type { Config } from './config.js';
import { Connections } from './connections.js';
import { Counters } from './counters.js';
import { apiSocketsMax, refusalSockets, streamCapacity } from './descriptors.js';
import { drain } from './drain.js';
import { ApiGuard } from './http/api-guard.js';
import { bindApi } from './http/api-routes.js';
import { CatchUps } from './http/catch-ups.js';
import { Cors } from './http/cors.js';
import { bindRest } from './http/methods.js';
import { bindPolls } from './http/poll-routes.js';
import { Polls } from './http/polls.js';
import { bindPublicPages } from './http/public-routes.js';
import { StreamCursors } from './http/stream-cursors.js';
import { bindStreams } from './http/stream-routes.js';
import { StreamWire } from './http/stream-wire.js';
import { UnsentAnswers } from './http/unsent-answers.js';
import { Listener } from './listener.js';
import { MemoryGauge } from './memory.js';
import { Mqtt } from './mqtt/mqtt.js';
import { sessionLimits } from './mqtt/session-limits.js';
import { Outbound } from './outbound.js';
import { Reclaimer } from './reclaim.js';
import { SampledLog } from './sampled-log.js';
import { SlowConsumers } from './slow-consumers.js';
import { SocketBudget } from './socket-budget.js';
import { Stats } from './stats.js';
import { Streams } from './streams.js';
import { Sweeper } from './sweeper.js';

/** The gateway's listeners and what stands between them and the router. Listens, and stops gracefully. */
export class Gateway {
  readonly #router: Router;
  readonly #config: Config;
  readonly #connections: Connections;
  readonly #outbound: Outbound;
  readonly #admission: Admission;
  readonly #sweeper: Sweeper;
  readonly #guard: ApiGuard;
  readonly #public: Listener;
  readonly #api: Listener;
  /** For MQTT alone, where one is asked for. */
  readonly #mqttOnly: Listener | undefined;
  readonly stats: Stats;
  #ready = false;

  /** @throws ConfigError when more connections are asked for than descriptors allow, or a rule cannot be read */
  constructor(router: Router, config: Config, log: Logger) {
    const capacity = streamCapacity(config.connectionsMax);
    const counters = new Counters();
    const clock = new Clock(config.heartbeatSec);
    const sampledLog = new SampledLog(log);
    const connections = new Connections(capacity);
    const slowConsumers = new SlowConsumers(connections, counters, config, sampledLog);
    const outbound = new Outbound(connections, counters, slowConsumers);
    const admission = new Admission(connections, outbound, counters, config.connectionsPerAddressMax);
    const shared = { router, config, clock, counters, log: sampledLog, connections, admission, outbound };
    const { history } = router;
    const cursors = new StreamCursors(history, connections);
    const wire = new StreamWire(connections, counters, clock, cursors);
    const catchUps = new CatchUps(history, connections, outbound);
    const streams = new Streams({ ...shared, slowConsumers, wire, cursors, catchUps });
    const unsent = new UnsentAnswers(config.pendingBytesTotalMax);
    const polls = new Polls({ ...shared, unsent });
    const sessions = new Sessions(router, sessionLimits(config, sampledLog));
    const mqtt = new Mqtt({ ...shared, sessions });
    const publicApp = uWS.App();
    const apiApp = uWS.App();
    const publicSockets = new SocketBudget(capacity + refusalSockets);
    const apiSockets = new SocketBudget(apiSocketsMax);
    this.#router = router;
    this.#config = config;
    this.#connections = connections;
    this.#outbound = outbound;
    this.#admission = admission;
    this.#guard = new ApiGuard(config, counters);
    this.#public = new Listener(
      publicApp,
      { name: 'The gateway', flag: '--port', host: config.host, port: config.port },
      publicSockets,
      log,
    );
    this.#api = new Listener(
      apiApp,
      { name: 'The router API', flag: '--api-port', host: config.apiHost, port: config.apiPort },
      apiSockets,
      log,
    );
    this.#mqttOnly = config.mqttPort === 0 ? undefined : mqttListener(mqtt, config, publicSockets, log);
    this.stats = new Stats({
      router,
      connections,
      slowConsumers,
      unsent,
      counters,
      mqtt,
      memory: new MemoryGauge(),
      listeners: { gateway: this.#public, api: this.#api, mqtt: this.#mqttOnly },
    });
    if (config.mqtt) mqtt.bind(publicApp, this.#public.webSocketGone);
    const cors = new Cors(config.allowOrigin);
    bindStreams(publicApp, { streams, config, counters, cors, epoch: history.epoch });
    bindPolls(publicApp, { polls, streams, history, config, counters, cors });
    bindPublicPages(publicApp, config, this.stats, () => ({
      apiUrl: this.apiUrl,
      apiOnAnyAddress: !isLoopback(config.apiHost),
      tokenRequired: this.#guard.tokenRequired,
      mqtt: config.mqtt,
    }));
    const orMqtt = config.mqtt ? ', or /mqtt with a WebSocket' : '';
    bindRest(publicApp, `Not here. Try /, /test/<id>, /events/<id>, /poll/<id> or /stream/<id>${orMqtt}.`);
    const bodies = bindApi(apiApp, {
      router,
      config,
      counters,
      guard: this.#guard,
      stats: this.stats,
      ready: () => this.#ready,
    });
    const reclaimer = new Reclaimer(config, log);
    this.#sweeper = new Sweeper(clock, connections, [
      () => bodies.expire(),
      () => mqtt.tick(),
      () => history.tick(performance.now()),
      () => reclaimer.tick(counters),
      () => clock.tick % ticksPerSec === 0 && slowConsumers.cutStalled(),
      () => publicSockets.tick(),
      () => this.#public.resume(),
      () => this.#mqttOnly?.resume(),
      () => this.#api.resume(),
    ]);
  }

  get url(): string {
    return this.#public.url;
  }

  get apiUrl(): string {
    return this.#api.url;
  }

  /** @throws ListenError */
  async start(): Promise<void> {
    await this.#router.start();
    await this.#public.open();
    await this.#mqttOnly?.open();
    await this.#api.open();
    this.#guard.allowGateway(this.url, this.#public.onAnyAddress);
    this.#sweeper.start();
    this.#ready = true;
  }

  /**
   * Stops accepting, and ends the connections spread over `drainSec`, so that clients come back somewhere else one
   * by one and not all at once. The API goes on answering meanwhile: /ready says no.
   */
  async stop(): Promise<void> {
    this.#ready = false;
    this.#admission.refuseAll();
    this.#public.close();
    this.#mqttOnly?.close();
    await drain(this.#connections, this.#outbound, this.#config.drainSec);
    this.#api.close();
    this.#sweeper.stop();
    await this.#router.stop();
  }
}

function mqttListener(mqtt: Mqtt, config: Config, sockets: SocketBudget, log: Logger): Listener {
  const app = uWS.App();
  const address = { name: 'MQTT', flag: '--mqtt-port', host: config.host, port: config.mqttPort };
  const listener = new Listener(app, address, sockets, log);
  mqtt.bind(app, listener.webSocketGone);
  bindRest(app, 'Not here. MQTT over WebSocket is on /mqtt.');
  return listener;
}
