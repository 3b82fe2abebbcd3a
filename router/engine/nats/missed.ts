import type { HistoryStream, StoredMessage } from './history-stream.js';
import type { Come } from './id-order.js';
import { markToken } from './stored-message.js';
import { idOfSubject } from './subject.js';

/** What was missed is handed out so many a turn. */
const handedOutPerTurn = 500;

/** What a stream has stored between two sequences, and whether anything that was there may be gone. */
export interface Missed {
  readonly createdMs: number;
  readonly messages: readonly StoredMessage[];
  readonly mayLack: boolean;
}

/** Reads what is behind `position`, up to `upTo`. @throws Error where NATS goes away meanwhile */
export async function missedBetween(
  stream: HistoryStream,
  position: number,
  upTo: number,
  signal: AbortSignal,
): Promise<Missed> {
  const messages = await stream.range(position + 1, upTo, signal);
  const { createdMs, firstSequence } = await stream.state(); // behind the reading: what went meanwhile is gone, too
  return { createdMs, messages, mayLack: firstSequence - 1 > position };
}

/** Until it is aborted. */
export async function handOutMissed(
  stream: HistoryStream,
  { messages }: Missed,
  signal: AbortSignal,
  handOut: (come: Come) => void,
): Promise<void> {
  for (const [n, { subject, sequence, data }] of messages.entries()) {
    if (n % handedOutPerTurn === handedOutPerTurn - 1) await new Promise(setImmediate);
    if (signal.aborted) return;
    const id = idOfStored(stream, subject);
    if (id !== undefined) handOut({ id, sequence, last: 0, data });
  }
}

/** @returns undefined for a mark, and for what nobody of this house has published */
function idOfStored({ subjectPrefix }: HistoryStream, subject: string): string | undefined {
  const rest = subject.slice(subjectPrefix.length);
  if (rest.startsWith(`${markToken}.`)) return undefined;
  try {
    return idOfSubject(rest);
  } catch {
    return undefined;
  }
}
