import type { AccessControl } from './access-control.js';
import type { Counters } from './counters.js';

/** The part `authentication` of the metrics; admin/metrics/families.ts says what each of them is. */
export function authenticationStats({ pending, failedLogins, cache }: AccessControl, counters: Counters) {
  return {
    pending: pending.count,
    pendingBytes: pending.bytes,
    waited: pending.counters.waited,
    timedOut: pending.counters.timedOut,
    noRoom: pending.counters.noRoom,
    failed: failedLogins.counters.failed,
    tooManyAttempts: failedLogins.counters.refused,
    failuresBytes: failedLogins.bytes,
    refreshed: counters.refreshed,
    cacheHits: cache.counters.hits,
    cacheMisses: cache.counters.misses,
    cacheBytes: cache.bytes,
  };
}
