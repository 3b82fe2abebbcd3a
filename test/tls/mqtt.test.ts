import { overTls } from '../over-tls.js';

/** MQTT over wss: packets, slow subscribers, floods. */
await overTls(
  'conformance/mqtt-3.1.1/delivery',
  'conformance/mqtt-3.1.1/websocket',
  'gateway/mqtt/slow-consumer',
  'gateway/mqtt/receive-queues',
  'gateway/mqtt/stop',
);
