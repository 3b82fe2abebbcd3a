/** Metrics and the lists of the admin API call the transports of clients by these names. */
export const connectionTransports = [
  'http-chunked',
  'ndjson',
  'sse',
  'sse-json',
  'long-poll',
  'mqtt-ws',
] as const;

export type ConnectionTransport = (typeof connectionTransports)[number];
