import { Deadline } from './deadline.js';
import type { Endpoint, Query } from './endpoint.js';
import { EventStreamParser, type ServerSentEvent } from './event-stream-parser.js';
import { GreetingMissedError, NoStreamingError, SilenceError, UnavailableError } from './failure.js';
import type { FetchResponse } from './options.js';
import { flowsAfterMs } from './transport-choice.js';

/**
 * One event stream, from request to end. Reads it with fetch: EventSource shows neither status, headers nor heartbeats,
 * and Node 20 has none.
 */

/** Used when the server announces no heartbeat: its default and a third. */
const heartbeatTimeoutMs = 60_000;
const heartbeatSlack = 4 / 3;
const slackMinMs = 5_000;

export interface StreamTiming {
  readonly greetingTimeoutMs: number;
  readonly heartbeatTimeoutMs: number | undefined;
  /**
   * There is no other transport: the time for the greeting begins with the head of the answer, so that a slow line
   * opens.
   */
  readonly patient: boolean;
  /** The stream counts as open when bytes arrive this long after the greeting; 0 = with the greeting. */
  readonly proofMs: number;
}

export interface StreamReceiver {
  retryIn(delayMs: number): void;
  /** Called once, before the first event. */
  opened(): void;
  /** Bytes have arrived a while after the greeting. */
  flows(forMs: number): void;
  /** @returns a promise that the next event must wait for, or undefined */
  event(event: ServerSentEvent): Promise<unknown> | undefined;
}

/**
 * Returns when the server ends the stream, or the signal aborts between two events; throws when anything else ends it.
 */
export async function serverSentEvents(
  endpoint: Endpoint,
  ids: readonly string[],
  query: Query,
  receiver: StreamReceiver,
  timing: StreamTiming,
  abort: AbortController,
): Promise<void> {
  const deadline = new Deadline(abort);
  const awaitGreeting = () => deadline.set(timing.greetingTimeoutMs, (ms) => new GreetingMissedError(ms));
  let greetedAtMs: number | undefined;
  let opened = false;
  const events: ServerSentEvent[] = [];
  const parser = new EventStreamParser({
    onRetry(delayMs) {
      receiver.retryIn(delayMs);
      greetedAtMs ??= performance.now();
    },
    onEvent: (event) => events.push(event),
  });
  if (timing.patient)
    deadline.set(timing.heartbeatTimeoutMs ?? heartbeatTimeoutMs, (ms) => new SilenceError(ms));
  else awaitGreeting();
  try {
    const response = await endpoint.ask('events', ids, query, abort.signal);
    if (timing.patient) awaitGreeting();
    const announced = heartbeatsOf(response);
    const silentMs = timing.heartbeatTimeoutMs ?? announced.timeoutMs;
    const firstSilentMs = Math.min(silentMs, announced.firstMs + timing.greetingTimeoutMs);
    for await (const bytes of bodyOf(response, abort.signal)) {
      parser.push(bytes);
      if (greetedAtMs === undefined) continue;
      const forMs = performance.now() - greetedAtMs;
      const flows = forMs > flowsAfterMs;
      if (!opened && forMs >= timing.proofMs) {
        opened = true;
        receiver.opened();
      }
      if (flows) receiver.flows(forMs);
      for (const event of opened ? events.splice(0) : []) {
        if (abort.signal.aborted) return;
        const waits = receiver.event(event);
        if (waits === undefined) continue;
        deadline.clear(); // time that the application takes is not silence
        await waits;
      }
      if (abort.signal.aborted) return;
      deadline.set(flows ? silentMs : firstSilentMs, (ms) => new SilenceError(ms));
    }
    if (greetedAtMs === undefined) throw new UnavailableError('The event stream ended before it began.');
  } finally {
    deadline.clear();
  }
}

/** `Encke-Heartbeat: 45; first=3`: seconds; 0 = never. */
function heartbeatsOf({ headers }: FetchResponse): { timeoutMs: number; firstMs: number } {
  const [, sec, firstSec] = /^(\d+)(?:; *first=(\d+))?/.exec(headers.get('encke-heartbeat') ?? '') ?? [];
  const everyMs = Number(sec) * 1000 || Number.POSITIVE_INFINITY;
  const timeoutMs =
    sec === undefined ? heartbeatTimeoutMs : Math.max(everyMs * heartbeatSlack, everyMs + slackMinMs);
  return { timeoutMs, firstMs: firstSec === undefined ? timeoutMs : Number(firstSec) * 1000 };
}

/** Safari cannot iterate a stream. */
async function* bodyOf({ body, headers }: FetchResponse, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const type = headers.get('content-type') ?? 'nothing';
  if (!type.startsWith('text/event-stream'))
    throw new UnavailableError(`Not an event stream but ${type} was answered.`);
  const reader = (body as ReadableStream<Uint8Array> | undefined)?.getReader?.();
  if (reader === undefined) throw new NoStreamingError();
  // Cancelling ends a wrapped body; the signal does not.
  const end = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', end);
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}
