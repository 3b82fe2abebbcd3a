import { redisSettings } from './redis-settings.js';
import { oneOf, type Setting, setting, text, wholeNumber } from './setting.js';

/** The settings of a node among others: what carries messages between them, and under which names. */
export const clusterSettings = {
  engine: setting(
    oneOf(['embedded', 'redis']),
    'embedded',
    'what carries messages between processes: embedded = nothing, all is in this one; redis = the servers of --redis',
  ),
  ...redisSettings,
  name: setting(
    text('1 to 64 letters, digits, - or _', /^[A-Za-z0-9_-]{1,64}$/),
    'encke',
    'of the cluster, and the global name of its router; nodes with another name have nothing to do with it',
  ),
  countWaitMs: setting(
    wholeNumber(1, 60_000),
    250,
    'how long a send waits for how many the other nodes have delivered to, ms; it ends as soon as all have answered',
  ),
  workers: setting(
    wholeNumber(0, 1024),
    0,
    'processes that share the ports, as nodes of one cluster with --engine redis; limits such as --connections-max hold for each; one that ends is started again; 0 = this process alone',
  ),
} satisfies Record<string, Setting>;
