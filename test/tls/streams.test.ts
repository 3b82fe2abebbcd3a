import { overTls } from '../over-tls.js';

/** Streams, polls, slow consumers, and where a request ends. */
await overTls(
  'gateway/streams',
  'gateway/slow-consumer',
  'gateway/history/poll',
  'gateway/history/catch-ups',
  'gateway/request-framing',
);
