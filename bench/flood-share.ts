import { ANSWER_TIMEOUT_MS, processesFor, type Share, SOURCE_PORTS } from '../floodtest/plan.js';
import { gatewayAt, MQTT } from '../test/floodtest/share.js';

/** The usual share of floodtest: each connection on an id of its own, from 1, over HTTP streams, without a cut. */
export function everyShare(
  ports: readonly number[],
  connections: number,
  others: Partial<Share>,
): Omit<Share, 'index'> {
  return {
    processes: processesFor(connections),
    connections,
    ratePerSec: 1_000,
    gateways: ports.map(gatewayAt),
    transport: 'http-chunked',
    ids: connections,
    idPrefix: '',
    sourceAddresses: [],
    sourcePortOffset: Math.floor(Math.random() * SOURCE_PORTS),
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    cut: undefined,
    mqtt: { ...MQTT, keepAliveSec: 0, clientIdPrefix: 'bench' },
    ...others,
  };
}
