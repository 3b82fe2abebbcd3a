import type { Logger } from 'pino';
import type { Authenticator } from '../access/authenticator.js';
import type { Router } from '../router/router.js';
import { type AccessControl, accessControlOf } from './access-control.js';
import { Admission } from './admission.js';
import { Clock } from './clock.js';
import type { Config } from './config.js';
import { historyRulesOf } from './configured-history.js';
import { ConnectRates } from './connect-rates.js';
import { Connections } from './connections.js';
import { Counters } from './counters.js';
import { apiSocketsBeyond, refusalSockets, reserveOf, streamCapacity } from './descriptors.js';
import { FairTurns } from './fair-turns.js';
import { LoginShares } from './login-shares.js';
import { Outbound } from './outbound.js';
import { PeerProgress } from './peer-progress.js';
import { PublishRates } from './publish-rates.js';
import { SettingChanges } from './reload/setting-changes.js';
import { SampledLog } from './sampled-log.js';
import { SlowConsumers } from './slow-consumers.js';
import { SocketBudget } from './socket-budget.js';

/** The parts of a gateway that all transports use. */
export interface SharedParts {
  readonly router: Router;
  readonly config: Config;
  readonly changes: SettingChanges;
  readonly log: SampledLog;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly connections: Connections;
  readonly slowConsumers: SlowConsumers;
  readonly outbound: Outbound;
  readonly access: AccessControl;
  readonly admission: Admission;
  readonly connectRates: ConnectRates;
  readonly publishRates: PublishRates;
  readonly loginShares: LoginShares;
  readonly turns: FairTurns;
  /** The sockets of clients, on all listeners. */
  readonly publicSockets: SocketBudget;
  readonly apiSockets: SocketBudget;
  /** The highest descriptor that a socket can have had so far. */
  readonly descriptorsMax: () => number;
}

/** @throws ConfigError when more connections are asked for than descriptors allow */
export function sharedParts(
  router: Router,
  config: Config,
  log: Logger,
  authenticators: readonly Authenticator[],
): SharedParts {
  const { apiSocketsMax } = config;
  const changes = new SettingChanges(config);
  const capacity = streamCapacity(config.connectionsMax, config);
  const publicSockets = new SocketBudget(capacity + refusalSockets);
  const descriptorsMax = () => publicSockets.peak + reserveOf(config);
  const counters = new Counters();
  const sampledLog = new SampledLog(log);
  const connections = new Connections(capacity);
  const progress = new PeerProgress(descriptorsMax, config.socketUnsentBytesMax);
  const slowConsumers = new SlowConsumers(connections, counters, config, sampledLog, progress);
  const access = accessControlOf(config, sampledLog, authenticators, capacity, changes);
  const outbound = new Outbound(connections, counters, slowConsumers);
  // A message that only waits in a session or a backlog is not written at the end of this turn.
  router.onHandedOut = ({ timeMs }) => {
    if (outbound.turnDeliveries > 0) counters.latency.handedOut(timeMs);
  };
  const connectRates = new ConnectRates(config);
  const publishRates = new PublishRates(config);
  const turns = new FairTurns(outbound, config.turnBudgetMs, router.engine);
  changes.on(
    ['rateLimitConnects', 'rateLimitConnectsPerAddress'],
    (next) => () => connectRates.limitTo(next),
  );
  changes.on(
    ['rateLimitPublishesPerUser', 'rateLimitPublishesPerAddress'],
    (next) => () => publishRates.limitTo(next),
  );
  changes.on(
    ['historyRules'],
    (next) => router.history.prepareRules(historyRulesOf(next)) ?? (() => {}),
    () => config.engine === 'embedded', // over Redis all nodes must have the same rules
  );
  changes.on(['turnBudgetMs'], (next) => () => turns.limitTo(next.turnBudgetMs));
  changes.on(['logLevel'], (next) => () => {
    log.level = next.logLevel;
  });
  return {
    router,
    config,
    changes,
    log: sampledLog,
    clock: new Clock(config.heartbeatSec),
    counters,
    connections,
    slowConsumers,
    outbound,
    access,
    admission: new Admission(
      connections,
      outbound,
      access.identities,
      counters,
      config.connectionsPerAddressMax,
    ),
    connectRates,
    publishRates,
    loginShares: new LoginShares(router, config),
    turns,
    publicSockets,
    apiSockets: new SocketBudget(apiSocketsMax + apiSocketsBeyond(apiSocketsMax), apiSocketsMax),
    descriptorsMax,
  };
}
