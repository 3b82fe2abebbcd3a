import type { ClientRegistry } from '../../router/engine/cluster.js';
import type { SessionsOptions } from '../../router/session/session-events.js';
import type { Config } from '../config.js';
import type { SampledLog } from '../sampled-log.js';
import type { SettingKey } from '../settings.js';
import { isMadeHere } from './client-id.js';
import { sizeDetails } from './size-details.js';

/** The settings of sessions that may change while the process runs. */
export const sessionKeys = [
  'mqttMaxInflight',
  'mqttRetryInterval',
  'mqttMaxAwaitingRel',
  'mqttAwaitRelTimeout',
  'mqttMaxMqueue',
  'mqttMqueueDrop',
  'mqttMqueueQos0',
  'mqttMqueueLowWatermark',
  'mqttMqueueHighWatermark',
  'mqttMaxSessions',
  'mqttClientsBytesTotalMax',
  'mqttMaxAwaySessionsPerAddress',
  'mqttMaxAwaySessionsPerUserName',
  'mqttSessionsBytesTotalMax',
] as const satisfies readonly SettingKey[];

const settingOf = {
  'sessions-full': 'mqttMaxSessions',
  'address-full': 'mqttMaxAwaySessionsPerAddress',
  'user-name-full': 'mqttMaxAwaySessionsPerUserName',
} as const;

/** Its id, and what is counted for what is around it: see weightOf. */
const aroundMessageBytes = 2_048;

/** The settings of sessions, as the router wants them; its alarms go to the log. */
export function sessionsOptions(
  config: Config,
  log: SampledLog,
  clients: ClientRegistry | undefined,
): SessionsOptions {
  return {
    ...(clients && { onEnd: (clientId) => isMadeHere(clientId) || clients.release(clientId) }),
    maxInflight: config.mqttMaxInflight,
    retryIntervalSec: config.mqttRetryInterval,
    maxAwaitingRel: config.mqttMaxAwaitingRel,
    awaitRelTimeoutSec: config.mqttAwaitRelTimeout,
    maxMqueue: config.mqttMaxMqueue,
    mqueueDrop: config.mqttMqueueDrop,
    mqueueQos0: config.mqttMqueueQos0,
    mqueueLowWatermark: config.mqttMqueueLowWatermark,
    mqueueHighWatermark: config.mqttMqueueHighWatermark,
    sessionExpirySec: config.mqttSessionExpiry,
    maxSessions: config.mqttMaxSessions,
    clientsBytesMax: config.mqttClientsBytesTotalMax,
    maxAwayPerAddress: config.mqttMaxAwaySessionsPerAddress,
    maxAwayPerUserName: config.mqttMaxAwaySessionsPerUserName,
    bytesTotalMax: config.mqttSessionsBytesTotalMax,
    // A queue that holds not even one message would be none.
    mqueueBytesMax: Math.max(
      Math.floor(config.mqttSessionsBytesTotalMax * config.budgetSharePerClient),
      config.messageBytesMax + aroundMessageBytes,
    ),
    onEvict: ({ session, reason, owner, awaySec, messages }) =>
      log.warn(
        'session-evicted',
        {
          clientId: session.clientId,
          ...owner,
          awaySec,
          messages,
          ...sizeDetails(config, settingOf[reason]),
        },
        'session of a client that is away ended to make room: what waited in it is lost',
      ),
    onAlarm: ({ clientId }, raised) =>
      log.warn(
        'mqueue-alarm',
        { clientId },
        raised ? 'queue past its high watermark' : 'queue under its low watermark',
      ),
  };
}
