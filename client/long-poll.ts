import { Deadline } from './deadline.js';
import type { Endpoint, Query } from './endpoint.js';
import { SilenceError, UnavailableError } from './failure.js';
import type { WireMessage } from './message.js';
import { childOf, pause } from './pause.js';
import type { PollPace } from './poll-pace.js';

/** Polls, one after the other, each from the cursor of the one before. */

/** Added to the time that the server holds a poll. */
const answerSlackMs = 10_000;
/** Used when the server's own timeout is unknown: proxies seldom wait longer. */
const heldMaxSec = 60;
/** An empty answer that comes sooner than this is followed by a pause. */
const emptyAnswerMinMs = 1_000;

export interface PollResponse {
  readonly cursor?: string;
  readonly recovered: boolean;
  readonly more: boolean;
  readonly messages: readonly WireMessage[];
}

export interface PollReceiver {
  /** The cursor of the next poll. */
  query(): Query;
  answered(answer: PollResponse, query: Query, first: boolean): Promise<unknown> | undefined;
}

/** Throws when a poll fails for good; returns when the signal aborts. */
export async function longPoll(
  endpoint: Endpoint,
  ids: readonly string[],
  receiver: PollReceiver,
  pace: PollPace,
  abort: AbortController,
): Promise<void> {
  // The first poll does not wait: it shows that the server answers, and gives the first cursor.
  await poll(0, true);
  while (!abort.signal.aborted) {
    const startedMs = performance.now();
    let moved = false;
    try {
      moved = await poll(pace.timeoutSec, false);
    } catch (error) {
      if (abort.signal.aborted || !mayBeCut(error) || !pace.cut(performance.now() - startedMs)) throw error;
    }
    const missingMs = emptyAnswerMinMs - (performance.now() - startedMs);
    if (!moved && missingMs > 0) await pause(missingMs * (1 + Math.random()), abort.signal);
  }

  /**
   * @returns whether it brought something new. If not, the next poll must not follow at once: a cache may have answered
   */
  async function poll(timeoutSec: number | undefined, first: boolean): Promise<boolean> {
    const query = receiver.query();
    const answer = await pollOnce(endpoint, ids, query, timeoutSec, abort);
    pace.answered();
    if (!abort.signal.aborted) await receiver.answered(answer, query, first);
    const { cursor, messages } = answer;
    return messages.length > 0 && (cursor === undefined || cursor !== query.cursor);
  }
}

/** @param timeoutSec undefined = the server's own */
export async function pollOnce(
  endpoint: Endpoint,
  ids: readonly string[],
  query: Query,
  timeoutSec: number | undefined,
  abort: AbortController,
): Promise<PollResponse> {
  const deadline = new Deadline(abort);
  deadline.set((timeoutSec ?? heldMaxSec) * 1000 + answerSlackMs, (ms) => new SilenceError(ms));
  try {
    const response = await endpoint.ask(
      'poll',
      ids,
      { ...query, timeout: timeoutSec?.toString() },
      abort.signal,
    );
    if (response.status === 200) return (await response.json()) as PollResponse;
    const cursor = response.headers.get('encke-cursor');
    const recovered = response.headers.get('encke-recovered') !== 'false';
    return { ...(cursor !== null && { cursor }), recovered, more: false, messages: [] };
  } finally {
    deadline.clear();
  }
}

/** @returns whether a client that reconnects with this cursor would miss nothing */
export async function recovers(
  endpoint: Endpoint,
  ids: readonly string[],
  cursor: string,
  parent: AbortController,
): Promise<boolean> {
  const abort = childOf(parent);
  const deadline = new Deadline(abort);
  deadline.set(answerSlackMs, (ms) => new SilenceError(ms));
  try {
    const { headers } = await endpoint.ask('poll', ids, { cursor }, abort.signal, 'HEAD');
    return headers.get('encke-recovered') === 'true';
  } finally {
    deadline.clear();
    abort.abort();
  }
}

/** Whether a proxy may have ended the poll. fetch gives a TypeError when a connection breaks. */
function mayBeCut(error: unknown): boolean {
  return (
    error instanceof TypeError || (error instanceof UnavailableError && error.retryAfterMs === undefined)
  );
}
