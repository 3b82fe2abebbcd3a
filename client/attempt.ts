import type { Query } from './endpoint.js';
import type { ServerSentEvent } from './event-stream-parser.js';
import { RefusedError, SilenceError, Superseded } from './failure.js';
import type { LinkMember } from './link-member.js';
import { longPoll, type PollResponse, recovers } from './long-poll.js';
import { placeOf, type WireMessage } from './message.js';
import { childOf, pause } from './pause.js';
import { joinCursor, type Place, splitCursor } from './places.js';
import type { PollPace } from './poll-pace.js';
import type { Roster } from './roster.js';
import { serverSentEvents } from './server-sent-events.js';
import type { Settings } from './settings.js';
import type { Slots } from './slots.js';
import { type ClientTransport, steadyMs, type TransportChoice } from './transport-choice.js';

/** When polls have had a message for longer than this, something buffers the event stream. */
const bufferedMs = 1_000;
/** A try of SSE beside polls may take this many times longer: nothing waits for it, and the line may be slow. */
const tryPatience = 3;

export interface AttemptParts {
  readonly settings: Settings;
  readonly roster: Roster;
  readonly choice: TransportChoice;
  readonly pace: PollPace;
  readonly slots: Slots;
  onOpened(): void;
  onRetry(delayMs: number): void;
}

/** The ids and cursor of each member when the request was sent. */
type Before = ReadonlyMap<
  LinkMember,
  { readonly ids: readonly string[]; readonly cursor: string | undefined }
>;

/**
 * One request for all ids of the roster, and its answer: an event stream, or polls. Beside polls SSE is tried now and
 * then, until a try replaces the polls.
 */
export class Attempt {
  readonly ids: readonly string[];
  readonly #parts: AttemptParts;
  readonly #abort: AbortController;
  #openedAtMs: number | undefined;
  /** Places in the answer of the last poll. */
  #last: readonly Place[] | undefined;
  /** When polls first brought a message during the current try of SSE. */
  #polledAtMs: number | undefined;

  constructor(parts: AttemptParts, abort: AbortController) {
    this.#parts = parts;
    this.#abort = abort;
    this.ids = parts.roster.begin();
  }

  /** Undefined: not open yet. */
  get openForMs(): number | undefined {
    return this.#openedAtMs === undefined ? undefined : performance.now() - this.#openedAtMs;
  }

  /** Returns when the server ends the stream; throws when anything else ends it. */
  async run(): Promise<void> {
    const { choice } = this.#parts;
    if (choice.current === 'sse') await this.#stream(this.#abort, 0, choice.fixed, () => undefined);
    else await this.#poll();
    this.#abort.signal.throwIfAborted();
  }

  async #stream(
    abort: AbortController,
    proofMs: number,
    patient: boolean,
    onOpened: () => void,
  ): Promise<void> {
    const { settings, roster, choice, onRetry } = this.#parts;
    const beside = abort !== this.#abort;
    const greetingTimeoutMs = settings.greetingTimeoutMs * (beside ? tryPatience : 1);
    const query = roster.query(this.ids, this.#last);
    const before = this.#standings();
    let cursor = '';
    const receiver = {
      retryIn: onRetry,
      opened: () => {
        onOpened();
        this.#opened(query, 'sse');
      },
      flows: (forMs: number) => {
        if (forMs >= steadyMs) choice.lived();
      },
      event: (event: ServerSentEvent) => {
        // An event without an `id:` has the one of the event before it: the message's id has no history.
        const own = event.lastEventId !== cursor;
        cursor = event.lastEventId;
        return this.#event(event, own, query, before);
      },
    };
    await serverSentEvents(
      settings.endpoint,
      this.ids,
      query,
      receiver,
      { ...settings, greetingTimeoutMs, proofMs, patient },
      abort,
    );
    abort.signal.throwIfAborted();
  }

  /**
   * Lets the stream go on with a new token. If the server does not take the token, a new request follows from the cursors.
   * While no token can be had, it is asked for again, as long as this attempt lasts.
   */
  async #renewToken(stream: string): Promise<void> {
    const { endpoint } = this.#parts.settings;
    const { signal } = this.#abort;
    while (endpoint.renewsToken && !signal.aborted) {
      try {
        return void (await (await endpoint.ask('refresh', [], { stream }, signal, 'POST')).text());
      } catch (error) {
        if (error instanceof RefusedError) this.#abort.abort(new Superseded());
        await pause(Math.random() * steadyMs, signal);
      }
    }
  }

  async #poll(): Promise<void> {
    const polls = childOf(this.#abort);
    const before = this.#standings();
    const tries = this.#trySse(polls);
    tries.catch(() => undefined); // looked at below
    const receiver = {
      query: () => this.#parts.roster.query(this.ids, this.#last),
      answered: (answer: PollResponse, query: Query, first: boolean) =>
        this.#answered(answer, query, first, before),
    };
    try {
      await longPoll(this.#parts.settings.endpoint, this.ids, receiver, this.#parts.pace, polls);
    } catch (error) {
      if (!polls.signal.aborted) throw error;
      if (!(polls.signal.reason instanceof Superseded)) throw polls.signal.reason;
    } finally {
      polls.abort();
    }
    await tries;
  }

  /** Returns when a try has replaced the polls and has ended, or when the polls have ended by themselves. */
  async #trySse(polls: AbortController): Promise<void> {
    const { choice, slots } = this.#parts;
    for (;;) {
      await pause(choice.nextTryMs(), polls.signal);
      if (polls.signal.aborted) return;
      const tried = childOf(this.#abort);
      const giveUp = () => tried.abort(new Superseded());
      const holder = { yieldTurn: giveUp };
      if (!slots.tryTake(holder)) continue;
      polls.signal.addEventListener('abort', giveUp);
      let taken = false;
      this.#polledAtMs = undefined;
      try {
        // Without a cursor, a message of the stream could not be told from one that polls brought meanwhile.
        const proofMs = this.#parts.roster.hasCursor ? choice.proofMs : 0;
        await this.#stream(tried, proofMs, false, () => {
          // Polls have had the message for long, so the stream came through a buffer.
          const polledForMs = performance.now() - (this.#polledAtMs ?? Number.POSITIVE_INFINITY);
          if (proofMs < steadyMs && polledForMs > bufferedMs) throw new SilenceError(bufferedMs);
          taken = true;
          polls.signal.removeEventListener('abort', giveUp);
          slots.release(holder); // it uses the slot of the polls
          choice.returned();
          polls.abort(new Superseded());
        });
        if (taken) return;
      } catch (error) {
        if (taken) throw tried.signal.aborted ? tried.signal.reason : error;
      } finally {
        polls.signal.removeEventListener('abort', giveUp);
        tried.abort();
        slots.release(holder);
      }
    }
  }

  #opened(query: Query, transport: ClientTransport): void {
    const { choice, roster, onOpened } = this.#parts;
    this.#openedAtMs ??= performance.now();
    choice.opened();
    onOpened();
    for (const [member, ids] of roster.live) member.opened(ids, query.cursor !== undefined, transport);
  }

  #event({ type, data, lastEventId }: ServerSentEvent, own: boolean, query: Query, before: Before) {
    const { roster } = this.#parts;
    const value = JSON.parse(data);
    const places = splitCursor(lastEventId, this.ids.length);
    if (type === 'message') {
      const { id } = value as WireMessage;
      const place = own ? places?.[this.ids.indexOf(id)] : undefined;
      roster.move(this.ids, places, id);
      return roster.deliver(value, place);
    }
    if (type === 'expiring') void this.#renewToken(value.stream);
    // Tokens that last for less than a second would be asked for without a pause.
    if (value.reason === 'credentials-expired' && this.openForMs! > bufferedMs)
      this.#abort.abort(new Superseded());
    if (type === 'lost') for (const [member] of roster.live) member.lose(value.lost);
    if (type === 'recovered' && query.cursor !== undefined)
      return this.#resumed(value.recovered, places, before);
    roster.move(this.ids, places);
    return undefined;
  }

  async #answered(answer: PollResponse, query: Query, first: boolean, before: Before): Promise<void> {
    const { roster, choice } = this.#parts;
    if (first) this.#opened(query, 'long-poll');
    choice.opened();
    const places = answer.cursor === undefined ? undefined : splitCursor(answer.cursor, this.ids.length);
    if (query.cursor !== undefined && (first || !answer.recovered))
      await this.#resumed(answer.recovered, undefined, before);
    for (const message of answer.messages) {
      if (this.#abort.signal.aborted) return;
      this.#polledAtMs ??= performance.now();
      await roster.deliver(message, placeOf(message, places));
    }
    if (this.#abort.signal.aborted) return;
    roster.move(this.ids, places);
    this.#last = places;
  }

  /** Some of several members may have lost nothing: the server is asked about each of them. */
  async #resumed(recovered: boolean, places: Place[] | undefined, before: Before): Promise<void> {
    const { roster, settings } = this.#parts;
    const each = roster.live.map(async ([member]) => {
      const { ids, cursor } = before.get(member) ?? {};
      if (recovered || before.size === 1 || ids === undefined || cursor === undefined)
        return member.resumed(recovered);
      member.resumed(await recovers(settings.endpoint, ids, cursor, this.#abort).catch(() => false));
    });
    await Promise.all(each);
    roster.move(this.ids, places);
  }

  #standings(): Before {
    const { live } = this.#parts.roster;
    return new Map(
      live.map(([member, ids]) => [
        member,
        { ids, cursor: joinCursor(ids.map((id) => member.places.get(id)!.place)) },
      ]),
    );
  }
}
