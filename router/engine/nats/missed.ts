import type { HistoryStream, StoredMessage } from './history-stream.js';
import { markToken } from './stored-message.js';
import { idOfSubject } from './subject.js';

/** What a stream has stored between two sequences, and what it may have stored there and let go of. */
export interface Missed {
  readonly createdMs: number;
  readonly messages: readonly StoredMessage[];
  /** The stream begins behind the first sequence: anything may be gone. */
  readonly mayLackAll: boolean;
  /** Ids of which it keeps no more than there are here: some may be gone. */
  readonly crowded: ReadonlySet<string>;
  /** One more of an id is known to be there. */
  count(id: string): void;
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
  const counts = new Map<string, number>();
  const crowded = new Set<string>();
  const count = (id: string) => {
    const sum = (counts.get(id) ?? 0) + 1;
    counts.set(id, sum);
    // The stream has room for one more than the rule says, so that many may be all, and one more may not.
    if (sum > stream.rule.messages) crowded.add(id);
  };
  for (const { subject } of messages) {
    const id = idOfStored(stream, subject);
    if (id !== undefined) count(id);
  }
  return { createdMs, messages, mayLackAll: firstSequence - 1 > position, crowded, count };
}

/** @returns undefined for a mark, and for what nobody of this house has published */
export function idOfStored({ subjectPrefix }: HistoryStream, subject: string): string | undefined {
  const rest = subject.slice(subjectPrefix.length);
  if (rest.startsWith(`${markToken}.`)) return undefined;
  try {
    return idOfSubject(rest);
  } catch {
    return undefined;
  }
}
