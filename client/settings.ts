import { Endpoint } from './endpoint.js';
import type { ConnectOptions, Since } from './options.js';

/** The options of `connect`, looked at once: what can never work is refused with a sentence. */

const timesMs = ['greetingTimeoutMs', 'heartbeatTimeoutMs', 'retrySseMs'] as const;
const requestHeadBytesMaxDefault = 16_384;

/** As the server has it by default, for connections that share a stream. */
export const sharedIdsMax = 64;

/** A page, or a worker of one: it has few connections, and shares them. */
export const inPage = 'document' in globalThis || 'WorkerGlobalScope' in globalThis;

/** What concerns the requests, and so is the same for all connections that share a stream. */
export interface Settings {
  readonly endpoint: Endpoint;
  readonly transport: 'auto' | 'sse' | 'long-poll';
  readonly greetingTimeoutMs: number;
  /** Undefined: as the server announces it. */
  readonly heartbeatTimeoutMs: number | undefined;
  readonly retrySseMs: number | undefined;
  readonly pollTimeoutSec: number | undefined;
  readonly share: boolean;
  /** Two connections with the same can share a stream. */
  readonly key: string;
}

export function settingsOf(url: unknown, options: ConnectOptions): Settings {
  const { transport = 'auto', pollTimeoutSec, requestHeadBytesMax = requestHeadBytesMaxDefault } = options;
  if (!['auto', 'sse', 'long-poll'].includes(transport))
    throw new TypeError(`transport is 'auto', 'sse' or 'long-poll', not ${shown(transport)}.`);
  for (const name of timesMs) checkTime(name, options[name]);
  checkTime('pollTimeoutSec', pollTimeoutSec);
  checkTime('requestHeadBytesMax', requestHeadBytesMax);
  for (const name of ['onRecovered', 'onLost', 'onState', 'onError'] as const)
    if (!['function', 'undefined'].includes(typeof options[name]))
      throw new TypeError(`${name} is a function, not ${shown(options[name])}.`);
  sinceOf(options.since);
  const endpoint = new Endpoint(url, options, requestHeadBytesMax);
  const { greetingTimeoutMs = 3_000, heartbeatTimeoutMs, retrySseMs } = options;
  const polls = pollTimeoutSec !== undefined && pollTimeoutSec < 2 ** 31 ? pollTimeoutSec : undefined;
  if (polls !== undefined && !Number.isInteger(polls))
    throw new TypeError(`pollTimeoutSec is a whole number of seconds, not ${polls}.`);
  return {
    endpoint,
    transport,
    greetingTimeoutMs,
    heartbeatTimeoutMs,
    retrySseMs: retrySseMs !== undefined && retrySseMs >= 2 ** 31 ? Number.POSITIVE_INFINITY : retrySseMs,
    pollTimeoutSec: polls,
    share: options.share ?? inPage,
    key: [endpoint.key, transport, greetingTimeoutMs, heartbeatTimeoutMs, retrySseMs, polls].join(),
  };
}

/** Duplicates are left out, the order is kept. */
export function idsOf(ids: unknown): string[] {
  const each = typeof ids === 'string' ? [ids] : [...new Set(ids as string[])];
  for (const id of each) {
    if (typeof id !== 'string') throw new TypeError(`An id is a string, not ${shown(id)}.`);
    // It would arrive as U+FFFD, and so as another id.
    if (/\p{Surrogate}/u.test(id))
      throw new TypeError(`The id ${JSON.stringify(id)} has half a surrogate pair in it.`);
  }
  return each;
}

/** As it stands in a request; undefined: from now on. */
export function sinceOf(since: Since | undefined): string | undefined {
  if (since === undefined || since === 'now') return undefined;
  if (since !== 'oldest' && !(Number.isSafeInteger(since) && Number(since) >= 0))
    throw new TypeError(`since is 'now', 'oldest' or a number of messages, not ${shown(since)}.`);
  return String(since);
}

function checkTime(name: string, value: unknown): void {
  if (value === undefined || (typeof value === 'number' && value >= 0)) return;
  throw new TypeError(`${name} is a number that is not negative, not ${shown(value)}.`);
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
