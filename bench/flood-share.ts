import { ANSWER_TIMEOUT_MS, processesFor, type Share, SOURCE_PORTS } from '../floodtest/plan.js';

/** What floodtest is told in the usual case: each connection on an id of its own, from 1, over HTTP streams; none is cut. */
export function everyShare(
  ports: readonly number[],
  connections: number,
  others: Partial<Share>,
): Omit<Share, 'index'> {
  return {
    processes: processesFor(connections),
    connections,
    ratePerSec: 1_000,
    gateways: ports.map((port) => ({
      address: '127.0.0.1',
      port,
      host: `127.0.0.1:${port}`,
      mqttPath: '/mqtt',
    })),
    transport: 'http-chunked',
    ids: connections,
    idPrefix: '',
    sourceAddresses: [],
    sourcePortOffset: Math.floor(Math.random() * SOURCE_PORTS),
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    cut: undefined,
    mqtt: {
      qosShares: [1, 0, 0],
      cleanSession: true,
      keepAliveSec: 0, // none
      clientIdPrefix: 'bench',
      username: undefined,
      password: undefined,
      filter: '{n}',
      everything: undefined,
      lives: undefined,
      devices: undefined,
    },
    ...others,
  };
}
