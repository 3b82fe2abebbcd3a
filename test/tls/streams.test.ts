import { overTls } from '../over-tls.js';

/** Streams, slow consumers, history, and where a request ends. */
await overTls(
  'gateway/streams',
  'gateway/slow-consumer',
  'gateway/history/catch-ups',
  'gateway/request-framing',
);
