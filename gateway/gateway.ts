import uWS from 'uWebSockets.js';
import type { Logger } from 'pino';
import type { Router } from '../router/router.js';
import { Clock } from './clock.js';
import { type Config, isLoopback } from './config.js';
import { Counters } from './counters.js';
import { apiSocketsMax, refusalSockets, streamCapacity } from './descriptors.js';
import { drain } from './drain.js';
import { ApiGuard } from './http/api-guard.js';
import { bindApi } from './http/api-routes.js';
import { bindRest } from './http/methods.js';
import { bindPublicPages } from './http/public-routes.js';
import { bindStreams } from './http/stream-routes.js';
import { Listener } from './listener.js';
import { MemoryGauge } from './memory.js';
import { Reclaimer } from './reclaim.js';
import { SampledLog } from './sampled-log.js';
import { Stats } from './stats.js';
import { Streams } from './streams.js';
import { Sweeper } from './sweeper.js';

/** The gateway's two listeners and what stands between them and the router. Listens, and stops gracefully. */
export class Gateway {
  readonly #router: Router;
  readonly #config: Config;
  readonly #streams: Streams;
  readonly #sweeper: Sweeper;
  readonly #guard: ApiGuard;
  readonly #public: Listener;
  readonly #api: Listener;
  readonly stats: Stats;
  #ready = false;

  /** @throws ConfigError when more connections are asked for than descriptors allow */
  constructor(router: Router, config: Config, log: Logger) {
    const capacity = streamCapacity(config.connectionsMax);
    const counters = new Counters();
    const clock = new Clock(config.heartbeatSec);
    const publicApp = uWS.App();
    const apiApp = uWS.App();
    this.#router = router;
    this.#config = config;
    this.#guard = new ApiGuard(config, counters);
    this.#streams = new Streams(router, config, capacity, counters, clock, new SampledLog(log));
    this.#public = new Listener(
      publicApp,
      { name: 'The gateway', flag: '--port', host: config.host, port: config.port },
      capacity + refusalSockets,
      log,
    );
    this.#api = new Listener(
      apiApp,
      { name: 'The router API', flag: '--api-port', host: config.apiHost, port: config.apiPort },
      apiSocketsMax,
      log,
    );
    this.stats = new Stats({
      router,
      streams: this.#streams,
      counters,
      memory: new MemoryGauge(),
      gateway: this.#public,
      api: this.#api,
    });
    bindStreams(publicApp, this.#streams, config, counters);
    bindPublicPages(publicApp, this.stats, () => ({
      apiUrl: this.apiUrl,
      apiOnAnyAddress: !isLoopback(config.apiHost),
      tokenRequired: this.#guard.tokenRequired,
    }));
    bindRest(publicApp, 'Not here. Try / or /test/<id> or /stream/<id>.');
    const bodies = bindApi(apiApp, {
      router,
      config,
      counters,
      guard: this.#guard,
      stats: this.stats,
      ready: () => this.#ready,
    });
    const { connections, outbound } = this.#streams;
    const reclaimer = new Reclaimer(config, log);
    this.#sweeper = new Sweeper(clock, connections, outbound, [
      () => bodies.expire(),
      () => reclaimer.tick(counters),
      () => this.#public.resume(),
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
    await this.#api.open();
    this.#guard.allowGateway(this.url, this.#public.onAnyAddress);
    this.#sweeper.start();
    this.#ready = true;
  }

  /**
   * Stops accepting, and ends the streams spread over `drainSec`, so that clients come back somewhere else one
   * by one and not all at once. The API goes on answering meanwhile: /ready says no.
   */
  async stop(): Promise<void> {
    this.#ready = false;
    this.#streams.refuseAll();
    this.#public.close();
    await drain(this.#streams, this.#config.drainSec);
    this.#api.close();
    this.#sweeper.stop();
    await this.#router.stop();
  }
}
