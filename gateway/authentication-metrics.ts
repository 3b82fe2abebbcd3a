import type { AccessControl } from './access-control.js';
import type { Counters } from './counters.js';

interface Parts {
  readonly access: AccessControl;
  readonly counters: Counters;
}

type Row = readonly [name: string, kind: 'counter' | 'gauge', help: string, read: (parts: Parts) => number];

const rows: readonly Row[] = [
  [
    'pending',
    'gauge',
    'Clients that wait for the check of their credentials',
    ({ access }) => access.pending.count,
  ],
  [
    'pendingBytes',
    'gauge',
    'Bytes that are kept for clients that wait for the check of their credentials',
    ({ access }) => access.pending.bytes,
  ],
  [
    'waited',
    'counter',
    'Clients that had to wait for the check of their credentials',
    ({ access }) => access.pending.counters.waited,
  ],
  [
    'timedOut',
    'counter',
    'Clients whose credentials were not checked in time',
    ({ access }) => access.pending.counters.timedOut,
  ],
  [
    'noRoom',
    'counter',
    'Clients that were refused, as too many waited',
    ({ access }) => access.pending.counters.noRoom,
  ],
  [
    'failed',
    'counter',
    'Logins that failed, as their credentials were wrong',
    ({ access }) => access.failedLogins.counters.failed,
  ],
  [
    'tooManyAttempts',
    'counter',
    'Logins that were refused without a check, as too many had failed before',
    ({ access }) => access.failedLogins.counters.refused,
  ],
  [
    'failuresBytes',
    'gauge',
    'Bytes of failed logins that are remembered',
    ({ access }) => access.failedLogins.bytes,
  ],
  [
    'refreshed',
    'counter',
    'Streams that went on with other credentials, each time',
    ({ counters }) => counters.refreshed,
  ],
  ['cacheHits', 'counter', 'Known as good', ({ access }) => access.cache.counters.hits],
  ['cacheMisses', 'counter', 'Not known so', ({ access }) => access.cache.counters.misses],
  ['cacheBytes', 'gauge', 'Bytes for that', ({ access }) => access.cache.bytes],
];

/** The part `authentication` of the metrics. */
export const authenticationMetrics = rows.map(([name, kind, help, read]) => ({
  name: `authentication.${name}`,
  kind,
  help,
  read,
}));
