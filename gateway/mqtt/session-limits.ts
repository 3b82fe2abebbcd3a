import type { SessionsOptions } from '../../router/session/sessions.js';
import type { Config } from '../config.js';
import type { SampledLog } from '../sampled-log.js';

/** The settings of sessions, as the router wants them; its alarms go to the log. */
export function sessionLimits(config: Config, log: SampledLog): SessionsOptions {
  return {
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
    bytesTotalMax: config.mqttSessionsBytesTotalMax,
    onAlarm: ({ clientId }, raised) =>
      log.warn(
        'mqueue-alarm',
        { clientId },
        raised ? 'queue past its high watermark' : 'queue under its low watermark',
      ),
  };
}
