import { changeSessionLimits } from '../router/session/session-limits.js';
import { Sessions } from '../router/session/sessions.js';
import { bindRest } from './http/methods.js';
import type { Listeners } from './listeners.js';
import { Mqtt } from './mqtt/mqtt.js';
import { sessionKeys, sessionsOptions } from './mqtt/sessions-options.js';
import { ReceiveThrottle } from './receive-throttle.js';
import type { SharedParts } from './shared-parts.js';

/**
 * Binds MQTT to the public listener, and to its own where it has one. Where MQTT is off, it still counts its sessions:
 * none.
 */
export function bindMqttRoom(listeners: Listeners, shared: SharedParts): Mqtt {
  const { router, config, log, turns, descriptorsMax } = shared;
  const sessions = new Sessions(
    router,
    sessionsOptions(config, log, router.engine.clients),
    router.stored?.sessions,
  );
  shared.changes.on(sessionKeys, (next) => {
    const limits = sessionsOptions(next, log, router.engine.clients);
    return () => changeSessionLimits(sessions.limits, limits);
  });
  const mqtt = new Mqtt({ ...shared, sessions });
  const { public: clients, mqtt: own } = listeners;
  const throttle = new ReceiveThrottle({
    receiveBufferBytes: config.socketReceiveBufferBytes,
    ports: () => [clients.listener.port, own?.listener.port ?? 0],
    descriptorsMax,
  });
  turns.onTurn = () => throttle.step(mqtt.endTurn());
  if (config.mqtt) mqtt.bind(clients.door, [config.mqttPath], clients.listener.webSocketGone);
  if (own === undefined) return mqtt;
  mqtt.bind(own.door, [...new Set([config.mqttPath, '/'])], own.listener.webSocketGone);
  bindRest(own.door, () => `Not here. MQTT over WebSocket is on ${config.mqttPath}, and on /.`);
  return mqtt;
}
