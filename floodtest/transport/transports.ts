/** The transports by name. */
import { httpChunked } from './http-chunked.js';
import { LongPoll } from './long-poll.js';
import { MqttWs } from './mqtt-ws.js';
import { Ndjson } from './ndjson.js';
import { EventStream } from './sse.js';
import type { TransportFactory } from './transport.js';

export const TRANSPORTS = {
  'http-chunked': httpChunked,
  ndjson: (events, share) => new Ndjson(events, share),
  sse: (events, share) => new EventStream(events, share),
  'long-poll': (events, share) => new LongPoll(events, share),
  'mqtt-ws': (events, share) => new MqttWs(events, share),
} as const satisfies Record<string, TransportFactory>;

export type TransportName = keyof typeof TRANSPORTS;

export const TRANSPORT_NAMES = Object.keys(TRANSPORTS) as TransportName[];

/** Transports that resume from a cursor. */
export const RESUMING_TRANSPORTS: readonly TransportName[] = ['ndjson', 'sse', 'long-poll'];
