import { Endpoint } from './endpoint.js';
import type { ConnectOptions, Since } from './options.js';

/** Checks the options of `connect` once. Refuses with a sentence what can never work. */

const timesMs = ['greetingTimeoutMs', 'heartbeatTimeoutMs', 'retrySseMs'] as const;
const requestHeadBytesMaxDefault = 16_384;

/** The server's default of --ids-per-connection-max, which bounds a shared stream. */
export const sharedIdsMax = 64;

/** In a page or its worker: a page has few connections, and shares them. */
export const inPage = 'document' in globalThis || 'WorkerGlobalScope' in globalThis;

/** Settings of the requests: the same for all connections that share a stream. */
export interface Settings {
  readonly endpoint: Endpoint;
  readonly transport: 'auto' | 'sse' | 'long-poll';
  readonly greetingTimeoutMs: number;
  /** Undefined: the time that the server announces. */
  readonly heartbeatTimeoutMs: number | undefined;
  readonly retrySseMs: number | undefined;
  readonly pollTimeoutSec: number | undefined;
  readonly share: boolean;
  /** Connections with the same key can share a stream. */
  readonly key: string;
}

export function settingsOf(url: unknown, options: ConnectOptions): Settings {
  const { transport = 'auto', pollTimeoutSec, requestHeadBytesMax = requestHeadBytesMaxDefault } = options;
  if (!['auto', 'sse', 'long-poll'].includes(transport))
    throw new TypeError(`transport is 'auto', 'sse' or 'long-poll', not ${shown(transport)}.`);
  for (const name of timesMs) checkTime(name, options[name]);
  checkTime('pollTimeoutSec', pollTimeoutSec);
  checkTime('requestHeadBytesMax', requestHeadBytesMax);
  for (const name of ['onRecovered', 'onLost', 'onState', 'onError', 'token'] as const)
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

/** Without duplicates, in order. */
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

/** The value in a request; undefined = from now on. */
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
