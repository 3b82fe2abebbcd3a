import { type MqttPlan, QOS_0_ONLY } from '../../floodtest/mqtt-plan.js';
import type { GatewayTarget, Share } from '../../floodtest/plan.js';

/** The share of one process of a flood. */
export function share(over: Partial<Share>): Share {
  return {
    index: 0,
    processes: 1,
    connections: 10,
    ratePerSec: 1,
    gateways: [gatewayAt(1)],
    transport: 'ndjson',
    ids: 1,
    idPrefix: '',
    sourceAddresses: [],
    sourcePortOffset: 0,
    answerTimeoutMs: 30_000,
    cut: undefined,
    mqtt: MQTT,
    ...over,
  };
}

export const MQTT: MqttPlan = {
  qosShares: QOS_0_ONLY,
  cleanSession: true,
  keepAliveSec: 300,
  clientIdPrefix: '',
  username: undefined,
  password: undefined,
  filter: '{n}',
  everything: undefined,
  lives: undefined,
  resubscribesPerSec: undefined,
  devices: undefined,
};

export function gatewayAt(port: number): GatewayTarget {
  return { address: '127.0.0.1', port, host: `127.0.0.1:${port}`, mqttPath: '/mqtt' };
}
