import { Deadline } from './deadline.js';
import type { Endpoint } from './endpoint.js';
import { SilenceError } from './failure.js';
import type { WireMessage } from './message.js';
import { pause } from './pause.js';
import type { Receiver } from './receiver.js';

/** Polls, one after the other, each from the cursor of the one before. */

/** On top of the time that the server holds a poll. */
const answerSlackMs = 10_000;
/** Where the server's own timeout is not known: a proxy seldom waits longer. */
const heldMaxSec = 60;
/** A poll that is answered with nothing, and sooner than this, is followed by a pause. */
const emptyAnswerMinMs = 1_000;

export interface LongPollSettings {
  readonly pollTimeoutSec: number | undefined;
}

interface PollAnswer {
  readonly cursor?: string;
  readonly recovered: boolean;
  readonly more: boolean;
  readonly messages: readonly WireMessage[];
}

/** Returns when `isOver` says so, between two polls; throws when one fails. */
export async function longPoll(
  endpoint: Endpoint,
  receiver: Receiver,
  { pollTimeoutSec }: LongPollSettings,
  abort: AbortController,
  isOver: () => boolean,
): Promise<void> {
  // The first one does not wait: it shows that there is a way, and where the ids stand.
  await poll(0, true);
  while (receiver.listens && !isOver()) {
    const startedMs = performance.now();
    const count = await poll(pollTimeoutSec, false);
    const missingMs = emptyAnswerMinMs - (performance.now() - startedMs);
    if (count === 0 && missingMs > 0) await pause(missingMs * (1 + Math.random()), abort.signal);
  }

  /** @returns how many messages it brought */
  async function poll(timeoutSec: number | undefined, first: boolean): Promise<number> {
    const { cursor, since } = receiver;
    const deadline = new Deadline(abort);
    deadline.set((timeoutSec ?? heldMaxSec) * 1000 + answerSlackMs, (ms) => new SilenceError(ms));
    try {
      const from = cursor === undefined ? { since } : { cursor };
      const response = await endpoint.get('poll', { ...from, timeout: timeoutSec?.toString() }, abort.signal);
      const answer = await answerOf(response);
      if (!receiver.listens) return 0;
      receiver.opened();
      if (cursor !== undefined && (first || !answer.recovered)) receiver.resumed(answer.recovered);
      handOver(answer, receiver);
      return answer.messages.length;
    } finally {
      deadline.clear();
    }
  }
}

async function answerOf(response: Response): Promise<PollAnswer> {
  if (response.status === 200) return (await response.json()) as PollAnswer;
  const cursor = response.headers.get('encke-cursor');
  const recovered = response.headers.get('encke-recovered') !== 'false';
  return { ...(cursor !== null && { cursor }), recovered, more: false, messages: [] };
}

/** The cursor stands behind all messages, so it moves with the last one. */
function handOver({ messages, cursor }: PollAnswer, receiver: Receiver): void {
  for (const [index, message] of messages.entries()) {
    if (!receiver.listens) return;
    receiver.received(message, index === messages.length - 1 ? cursor : undefined);
  }
  if (messages.length === 0 && cursor !== undefined) receiver.moved(cursor);
}
