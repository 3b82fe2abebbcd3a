/** The transports by name. */
import { httpChunked } from './http-chunked.js';
import { MqttWs } from './mqtt-ws.js';
import { ndjson } from './ndjson.js';
import type { TransportFactory } from './transport.js';

export const TRANSPORTS = {
  'http-chunked': httpChunked,
  ndjson,
  'mqtt-ws': (events, share) => new MqttWs(events, share),
} as const satisfies Record<string, TransportFactory>;

export type TransportName = keyof typeof TRANSPORTS;

export const TRANSPORT_NAMES = Object.keys(TRANSPORTS) as TransportName[];
