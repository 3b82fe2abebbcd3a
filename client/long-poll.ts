import { Deadline } from './deadline.js';
import type { Endpoint, Query } from './endpoint.js';
import { SilenceError, UnavailableError } from './failure.js';
import type { WireMessage } from './message.js';
import { childOf, pause } from './pause.js';
import type { PollPace } from './poll-pace.js';

/** Polls, one after the other, each from the cursor of the one before. */

/** On top of the time that the server holds a poll. */
const answerSlackMs = 10_000;
/** Where the server's own timeout is not known: a proxy seldom waits longer. */
const heldMaxSec = 60;
/** A poll that is answered with nothing, and sooner than this, is followed by a pause. */
const emptyAnswerMinMs = 1_000;

export interface PollAnswer {
  readonly cursor?: string;
  readonly recovered: boolean;
  readonly more: boolean;
  readonly messages: readonly WireMessage[];
}

export interface PollReceiver {
  /** Where the next poll goes on. */
  query(): Query;
  answered(answer: PollAnswer, query: Query, first: boolean): Promise<unknown> | undefined;
}

/** Throws when a poll fails, and nothing can be done about it; ends otherwise when the signal is aborted. */
export async function longPoll(
  endpoint: Endpoint,
  ids: readonly string[],
  receiver: PollReceiver,
  pace: PollPace,
  abort: AbortController,
): Promise<void> {
  // The first one does not wait: it shows that there is a way, and where the ids stand.
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

  /** @returns whether it brought something new: a server, or a cache, that says the same again is not to be asked at once */
  async function poll(timeoutSec: number | undefined, first: boolean): Promise<boolean> {
    const query = receiver.query();
    const answer = await pollOnce(endpoint, ids, query, timeoutSec, abort);
    pace.answered();
    if (!abort.signal.aborted) await receiver.answered(answer, query, first);
    const { cursor, messages } = answer;
    return messages.length > 0 && (cursor === undefined || cursor !== query.cursor);
  }
}

/** @param timeoutSec undefined: as long as the server holds it by itself */
export async function pollOnce(
  endpoint: Endpoint,
  ids: readonly string[],
  query: Query,
  timeoutSec: number | undefined,
  abort: AbortController,
): Promise<PollAnswer> {
  const deadline = new Deadline(abort);
  deadline.set((timeoutSec ?? heldMaxSec) * 1000 + answerSlackMs, (ms) => new SilenceError(ms));
  try {
    const response = await endpoint.ask(
      'poll',
      ids,
      { ...query, timeout: timeoutSec?.toString() },
      abort.signal,
    );
    if (response.status === 200) return (await response.json()) as PollAnswer;
    const cursor = response.headers.get('encke-cursor');
    const recovered = response.headers.get('encke-recovered') !== 'false';
    return { ...(cursor !== null && { cursor }), recovered, more: false, messages: [] };
  } finally {
    deadline.clear();
  }
}

/** @returns whether one who came back with this cursor would miss nothing */
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

/** By a proxy that waits for an answer no longer than so; fetch says TypeError when a connection breaks. */
function mayBeCut(error: unknown): boolean {
  return (
    error instanceof TypeError || (error instanceof UnavailableError && error.retryAfterMs === undefined)
  );
}
