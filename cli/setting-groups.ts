import { accessSettings } from '../gateway/access-settings.js';
import { adminSettings } from '../gateway/admin-settings.js';
import { clusterSettings } from '../gateway/cluster-settings.js';
import { graphSettings } from '../gateway/graph-settings.js';
import { mqttSettings } from '../gateway/mqtt/settings.js';
import type { SettingKey } from '../gateway/settings.js';
import { wireSettings } from '../gateway/wire-settings.js';

/**
 * The settings as `encke start --help` shows them: in groups, and without the rare ones, which `--help-all` adds.
 * The everyday settings are listed here: the guides in docs/ name them.
 */

const everyday: ReadonlySet<SettingKey> = new Set<SettingKey>([
  'host',
  'port',
  'apiHost',
  'apiPort',
  'apiToken',
  'apiTokenFile',
  'allowOrigin',
  'allowedHosts',
  'tlsCertFile',
  'tlsKeyFile',
  'trustedProxies',
  'connectionsMax',
  'idsPerConnectionMax',
  'messageBytesMax',
  'pendingBytesMax',
  'heartbeatSec',
  'rateLimitConnects',
  'rateLimitPublishesPerUser',
  'historyRules',
  'historyBytesTotalMax',
  'mqtt',
  'mqttPath',
  'mqttToken',
  'mqttTokenFile',
  'mqttAllowAnonymous',
  'mqttMaxPacketSize',
  'mqttMaxInflight',
  'mqttMaxMqueue',
  'mqttSessionExpiry',
  'auth',
  'authJwtSecretFile',
  'authJwtKeyFile',
  'authJwtJwks',
  'authRedis',
  'authFile',
  'authHttp',
  'authLdap',
  'aclRules',
  'aclNomatch',
  'engine',
  'redis',
  'redisPasswordFile',
  'name',
  'nodeName',
  'workers',
  'data',
  'sendToFollowers',
  'admin',
  'adminHost',
  'adminPort',
  'adminToken',
  'adminTokenFile',
  'logLevel',
  'drainSec',
]);

export const isEveryday = (key: SettingKey) => everyday.has(key);

const listeners: ReadonlySet<SettingKey> = new Set<SettingKey>([
  'host',
  'port',
  'apiHost',
  'apiPort',
  'apiSocketsMax',
  'apiToken',
  'apiTokenFile',
  'apiAllowOrigin',
  'allowOrigin',
  'allowedHosts',
]);

/** The groups in the order of the help. A setting is in the first one that has it; the last one has all that are left. */
const groups: readonly { heading: string; has: (key: SettingKey) => boolean }[] = [
  { heading: 'Listeners:', has: (key) => listeners.has(key) || key in wireSettings },
  { heading: 'History:', has: (key) => key.startsWith('history') || key.startsWith('pollTimeout') },
  { heading: 'MQTT:', has: (key) => key in mqttSettings && key !== 'nodeName' },
  { heading: 'Who may connect, read and publish:', has: (key) => key in accessSettings },
  { heading: 'Many nodes:', has: (key) => key in clusterSettings || key === 'nodeName' },
  { heading: 'Data and the friends graph:', has: (key) => key in graphSettings },
  { heading: 'Operation:', has: (key) => key in adminSettings || /^(log|drain|reclaim)[A-Z]/.test(key) },
  { heading: 'Limits:', has: () => true },
];

export function headingOf(key: SettingKey): string {
  return groups.find(({ has }) => has(key))!.heading;
}

/** Sorts settings by their groups. */
export function inGroups(keys: readonly SettingKey[]): SettingKey[] {
  return groups.flatMap(({ heading }) => keys.filter((key) => headingOf(key) === heading));
}
