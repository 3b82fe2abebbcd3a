/** The transports of clients, by the names that are in metrics, and in the lists of the admin API. */
export const connectionTransports = [
  'http-chunked',
  'ndjson',
  'sse',
  'sse-json',
  'long-poll',
  'mqtt-ws',
] as const;

export type ConnectionTransport = (typeof connectionTransports)[number];
