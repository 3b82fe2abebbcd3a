import type { NodeRole } from '../router/engine/cluster.js';
import type { SettingKey } from './settings.js';

export type { NodeRole } from '../router/engine/cluster.js';

/**
 * The role of a process. `encke start` holds connections and answers senders. `encke gateway` and `encke router` do one
 * of the two, as in the original system, with gateways and router on different machines.
 */

/** The command that starts a process of this role. */
export const commandOf: Record<NodeRole, string> = { both: 'start', gateway: 'gateway', router: 'router' };

export const holdsConnections = (role: NodeRole) => role !== 'router';
export const takesSends = (role: NodeRole) => role !== 'gateway';

const ofTheRouterApi: readonly SettingKey[] = ['batchBytesMax', 'bodyTimeoutSec'];

const ofConnections: readonly SettingKey[] = [
  'host',
  'port',
  'connectionsMax',
  'connectionsPerAddressMax',
  'connectionsPerUserMax',
  'rateLimitConnects',
  'rateLimitConnectsPerAddress',
  'idsPerConnectionMax',
  'heartbeatSec',
  'loginsBytesTotalMax',
  'pendingBytesMax',
  'pendingBytesTotalMax',
  'slowConsumerPolicy',
  'pollTimeoutSec',
  'pollTimeoutSecMax',
  'allowOrigin',
  'drainSec',
  'reclaimAfterClosed',
  'reclaimAfterOpened',
  'reclaimAfterMessages',
  'reclaimPauseMsMax',
];

/** Every node keeps all retained messages, and publishes its metrics under $SYS. */
const mqttOfEveryNode: ReadonlySet<SettingKey> = new Set([
  'mqttMaxRetained',
  'mqttMaxRetainedSize',
  'mqttRetainedBytesTotalMax',
  'mqttSysInterval',
]);

/** Whether a process of this role uses a setting. Other settings are accepted and ignored. */
export function isUsed(key: SettingKey, role: NodeRole): boolean {
  if (!takesSends(role)) return !ofTheRouterApi.includes(key);
  if (holdsConnections(role)) return true;
  return !ofConnections.includes(key) && (!key.startsWith('mqtt') || mqttOfEveryNode.has(key));
}
