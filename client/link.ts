import { Attempt, type AttemptParts } from './attempt.js';
import { catchUp } from './catch-up.js';
import {
  CorsError,
  CrowdedError,
  GreetingMissedError,
  NoStreamingError,
  RefusedError,
  SilenceError,
  Superseded,
  UnavailableError,
} from './failure.js';
import type { LinkMember, MemberLink } from './link-member.js';
import type { StateDetail } from './options.js';
import { pause } from './pause.js';
import { PollPace } from './poll-pace.js';
import { ReconnectBackoff } from './reconnect-backoff.js';
import { type Group, Roster } from './roster.js';
import { type Settings, sharedIdsMax } from './settings.js';
import { Slots, slotsMax } from './slots.js';
import { type ClientTransport, steadyMs, TransportChoice } from './transport-choice.js';
import { onWake, type WakeReason } from './wake.js';

/**
 * The link to the gateway: one attempt after the other, each from the cursors behind the handled messages. So a
 * reconnect, or a change of transport or ids, makes neither a gap nor a duplicate. All members share one request.
 *
 *                  greeting, or the first answer
 *     connecting ---------------------------------> open --+ ids or network change: a new request
 *       ^  |  ^                                     |  ^   | from the cursors, without a callback
 *       |  |  +-- the other transport, at once -----+  +---+
 *       |  | fails                                  | ends, or is silent
 *       |  v                                        |
 *      waiting <------------------------------------+
 *         the delay is over, online, visible, reconnect()
 *
 * A member that the server refuses fails alone. A link without members ends.
 */

/** Spreads the requests of clients that wake together. */
const wakeJitterMs = 300;
/** Changes of ids within this time make one new request. */
const changeDelayMs = 20;

export class Link implements MemberLink {
  readonly #settings: Settings;
  readonly #roster = new Roster();
  readonly #choice: TransportChoice;
  readonly #backoff = new ReconnectBackoff();
  readonly #slots: Slots;
  readonly #parts: AttemptParts;
  readonly #onOver: () => void;
  readonly #sleep: () => void;
  #state: 'connecting' | 'open' | 'waiting' = 'connecting';
  #detail: Omit<StateDetail, 'transport'> = {};
  /** Aborts the current attempt or wait. */
  #abort = new AbortController();
  #attempt: Attempt | undefined;
  #retryMs = 0;
  #reshaping = false;
  /** Members that need a request of their own, because the server refused them together. */
  #alone: LinkMember[] = [];
  #wereAlone = false;
  /** Consecutive attempts that seem to have failed by CORS. */
  #corsFailures = 0;

  constructor(settings: Settings, onOver: () => void) {
    this.#settings = settings;
    this.#onOver = onOver;
    const choice = new TransportChoice(settings.transport, settings.retrySseMs);
    this.#choice = choice;
    this.#slots = Slots.of(settings.endpoint.origin);
    this.#parts = {
      settings,
      choice,
      roster: this.#roster,
      pace: new PollPace(settings.pollTimeoutSec),
      slots: this.#slots,
      onOpened: () => this.#opened(),
      onRetry: (delayMs) => {
        this.#retryMs = delayMs;
      },
    };
    this.#sleep = onWake((reason) => this.#wake(reason));
    void this.#run();
  }

  get transport(): ClientTransport {
    return this.#choice.current;
  }

  /** Whether a member may share this link. */
  accepts({ settings, places }: LinkMember): boolean {
    if (!settings.share || !this.#settings.share || settings.key !== this.#settings.key) return false;
    // Without a cursor, each new request would be a loss to those that are here.
    if (this.#state === 'open' && !this.#roster.hasCursor) return false;
    const ids = [...new Set([...this.#roster.ids, ...places.ids])];
    return ids.length <= sharedIdsMax && settings.endpoint.missingBytes(ids) <= 0;
  }

  join(member: LinkMember): void {
    member.link = this;
    this.#roster.members.add(member);
    if (this.#roster.members.size === 1) return;
    queueMicrotask(() => {
      if (this.#state !== 'open') member.enter(this.#state, { transport: this.transport, ...this.#detail });
      else member.enter('connecting', { transport: this.transport });
      this.changed();
    });
  }

  leave(member: LinkMember): void {
    if (!this.#roster.members.delete(member)) return;
    if (this.#roster.members.size > 0) return this.changed();
    this.#sleep();
    this.#onOver();
    this.#abort.abort(new Superseded());
  }

  /** The members want other ids. If the link is not open, the next attempt asks for them. */
  changed(): void {
    if (this.#state === 'open' && !this.#reshaping) void this.#reshape();
  }

  reconnect(): void {
    this.#wake('asked');
  }

  async #run(): Promise<void> {
    await undefined; // the caller has the connection before its first callback
    while (this.#roster.members.size > 0) {
      const error = await this.#try();
      if (this.#roster.members.size === 0) break;
      if (!this.#goesOn(error)) await this.#wait(asError(error));
    }
  }

  /** @returns why it ended; undefined: the server ended it */
  async #try(): Promise<unknown> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#attempt = undefined;
    const holder = { yieldTurn: () => abort.abort(new Superseded()) };
    try {
      const turn = this.#slots.take(holder, abort.signal);
      if (turn !== undefined) {
        this.#enter('waiting', { error: new CrowdedError(this.#settings.endpoint.origin, slotsMax) });
        await turn;
      }
      if (this.#state !== 'open') this.#enter('connecting', this.#state === 'waiting' ? {} : this.#detail);
      await this.#unify(abort);
      // onState, or what was refused, may have left nobody.
      if (abort.signal.aborted || this.#roster.members.size === 0) return abort.signal.reason;
      this.#attempt = new Attempt(this.#parts, abort);
      await this.#attempt.run();
      return undefined;
    } catch (error) {
      return abort.signal.aborted ? abort.signal.reason : error;
    } finally {
      this.#slots.release(holder);
      abort.abort(); // whatever ended this, its requests are over
    }
  }

  /** @returns whether there is another attempt at once */
  #goesOn(error: unknown): boolean {
    if (error instanceof Superseded) return true;
    const openForMs = this.#attempt?.openForMs;
    const choice = this.#choice;
    const { current } = choice;
    if (openForMs !== undefined && openForMs >= steadyMs) this.#backoff.reset();
    else if (openForMs !== undefined && !(error instanceof SilenceError)) choice.cutShort();
    if (error instanceof GreetingMissedError) choice.greetingMissed();
    else if (error instanceof SilenceError) choice.silent();
    else if (error instanceof NoStreamingError) choice.cannotStream();
    if (choice.current !== current) {
      this.#state = 'connecting';
      this.#detail = { error: asError(error)! };
      return true;
    }
    if (error instanceof RefusedError) return this.#refused(error);
    if (error instanceof NoStreamingError) for (const member of [...this.#roster.members]) member.fail(error);
    choice.failed();
    return this.#roster.members.size === 0;
  }

  /** Asks for each of several members alone. If the server accepts each, they are too many for one request. */
  #refused(error: RefusedError): boolean {
    const members = [...this.#roster.members];
    if (members.length === 1) members[0]!.refuse(error, members[0]!.places.ids);
    else if (this.#wereAlone) this.#separate(members.at(-1)!);
    else this.#alone = members;
    this.#wereAlone = members.length > 1;
    return true;
  }

  #separate(member: LinkMember): void {
    this.#roster.members.delete(member);
    new Link({ ...this.#settings, share: false }, () => undefined).join(member);
  }

  async #wait(error: Error | undefined): Promise<void> {
    const asked = error instanceof UnavailableError ? error.retryAfterMs : undefined;
    const delayMs = this.#backoff.nextDelayMs(asked ?? this.#retryMs);
    this.#abort = new AbortController();
    this.#noteCors(error);
    this.#enter('waiting', { delayMs, ...(error && { error }) });
    await pause(delayMs, this.#abort.signal);
    if (this.#abort.signal.reason !== awake) return;
    this.#abort = new AbortController();
    await pause(Math.random() * wakeJitterMs, this.#abort.signal);
  }

  /** A wait that the server asked for is ended by `reconnect` only. */
  #wake(reason: WakeReason | 'asked'): void {
    if (reason === 'online') this.#choice.moved();
    const { error } = this.#detail;
    if (this.#state === 'waiting') {
      const asked = error instanceof UnavailableError && error.retryAfterMs !== undefined;
      if (this.#detail.delayMs !== undefined && (!asked || reason === 'asked')) this.#abort.abort(awake);
    } else if (reason !== 'visible') {
      // An open stream belongs to the former network.
      const abort = this.#abort;
      void pause(Math.random() * wakeJitterMs, abort.signal).then(() => abort.abort(new Superseded()));
    }
  }

  /** Catches up members that one cursor cannot cover, until one request can ask for all. */
  async #unify(abort: AbortController): Promise<void> {
    for (let member = this.#alone.shift(); member !== undefined; member = this.#alone.shift())
      if (!member.over) await this.#catchUp(this.#roster.alone(member), abort);
    for (let group = this.#roster.straggler(); group !== undefined; group = this.#roster.straggler())
      await this.#catchUp(group, abort);
  }

  /** While the link is open: catches up new ids beside it, then sends one request for all. */
  async #reshape(): Promise<void> {
    const abort = this.#abort;
    const attempt = this.#attempt;
    this.#reshaping = true;
    const stands = () => !abort.signal.aborted && this.#attempt === attempt && this.#state === 'open';
    await pause(changeDelayMs, abort.signal);
    const backoff = new ReconnectBackoff();
    while (stands() && attempt !== undefined && !this.#roster.matches(attempt.ids)) {
      const group = this.#roster.straggler();
      if (group === undefined) {
        abort.abort(new Superseded());
        break;
      }
      const beside = new AbortController();
      const end = () => beside.abort(new Superseded());
      abort.signal.addEventListener('abort', end);
      await this.#catchUp(group, beside).catch(() => pause(backoff.nextDelayMs(this.#retryMs), abort.signal));
    }
    this.#reshaping = false;
    // An attempt that opened meanwhile relies on this function for its changes.
    if (this.#abort !== abort || this.#attempt !== attempt) this.changed();
  }

  async #catchUp(group: Group, abort: AbortController): Promise<void> {
    const { member } = group;
    const kept = await catchUp(this.#settings.endpoint, this.#roster, group, abort);
    if (member.over) return;
    // Beside an id without history, no cursor of the other members would be recovered.
    const { members, hasCursor } = this.#roster;
    if (!kept && members.size > 1 && hasCursor && member.places.cursor === undefined) this.#separate(member);
    else member.caughtUp(this.transport);
  }

  #opened(): void {
    this.#corsFailures = 0;
    this.#wereAlone = false;
    this.#state = 'open';
    this.#detail = {};
    queueMicrotask(() => this.changed());
  }

  /** Reports CORS once, at the second failure: a starting server may answer the probe and not the request. */
  #noteCors(error: Error | undefined): void {
    if (!(error instanceof CorsError)) this.#corsFailures = 0;
    else if (++this.#corsFailures === 2) for (const member of this.#roster.members) member.error(error);
  }

  #enter(state: 'connecting' | 'waiting', detail: Omit<StateDetail, 'transport'>): void {
    this.#state = state;
    this.#detail = detail;
    for (const member of [...this.#roster.members])
      member.enter(state, { transport: this.transport, ...detail });
  }
}

/** The abort reason of a wait that is ended early. */
const awake = new Error('awake');

function asError(error: unknown): Error | undefined {
  if (error === undefined || error instanceof Error) return error;
  return new Error(String(error));
}
