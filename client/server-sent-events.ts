import { Deadline } from './deadline.js';
import type { Endpoint } from './endpoint.js';
import { EventStreamParser, type StreamEvent } from './event-stream-parser.js';
import { GreetingMissedError, SilenceError, UnavailableError } from './failure.js';
import type { WireMessage } from './message.js';
import type { Receiver } from './receiver.js';

/**
 * One event stream, from request to end. It is read with fetch, as EventSource tells neither status nor headers,
 * gives no sign of a heartbeat, and is not in Node 20.
 */

export interface ServerSentEventsSettings {
  readonly greetingTimeoutMs: number;
  readonly heartbeatTimeoutMs: number;
}

/** Returns when the server has ended the stream; throws when anything else has. */
export async function serverSentEvents(
  endpoint: Endpoint,
  receiver: Receiver,
  { greetingTimeoutMs, heartbeatTimeoutMs }: ServerSentEventsSettings,
  abort: AbortController,
): Promise<void> {
  const { cursor, since } = receiver;
  const deadline = new Deadline(abort);
  let greeted = false;
  const parser = new EventStreamParser({
    onRetry(delayMs) {
      receiver.retryIn(delayMs);
      if (greeted) return;
      greeted = true;
      receiver.opened();
    },
    onEvent(event) {
      if (receiver.listens) handle(event, receiver, cursor !== undefined);
    },
  });
  deadline.set(greetingTimeoutMs, (ms) => new GreetingMissedError(ms));
  try {
    const query = cursor === undefined ? { since } : { cursor };
    const response = await endpoint.get('events', query, abort.signal);
    for await (const bytes of bodyOf(response)) {
      parser.push(bytes);
      if (!receiver.listens) return;
      if (parser.lastEventId !== '') receiver.moved(parser.lastEventId);
      if (greeted) deadline.set(heartbeatTimeoutMs, (ms) => new SilenceError(ms));
    }
    if (!greeted) throw new UnavailableError('The event stream ended before it began.');
  } finally {
    deadline.clear();
    abort.abort(); // whatever ended this, the request is over
  }
}

/** Safari cannot iterate a stream. */
async function* bodyOf({ body, headers }: Response): AsyncGenerator<Uint8Array> {
  const type = headers.get('content-type') ?? 'nothing';
  if (!type.startsWith('text/event-stream') || body === null)
    throw new UnavailableError(`Not an event stream but ${type} was answered.`);
  const reader = body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}

function handle({ type, data, lastEventId }: StreamEvent, receiver: Receiver, asked: boolean): void {
  const value = JSON.parse(data) as unknown;
  if (type === 'message') receiver.received(value as WireMessage, lastEventId || undefined);
  else if (type === 'lost') receiver.lost((value as { lost: number }).lost);
  else if (type === 'recovered' && asked) receiver.resumed((value as { recovered: boolean }).recovered);
}
