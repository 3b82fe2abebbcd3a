import { CursorMemory } from './cursor-memory.js';
import type { RefusedError } from './failure.js';
import { receivedMessage, type WireMessage } from './message.js';
import type { ConnectOptions, State, StateDetail } from './options.js';
import { type Place, Places, splitCursor } from './places.js';
import { inPage, type Settings, sinceOf } from './settings.js';
import type { ClientTransport } from './transport-choice.js';

/** The link of a member, as the member sees it. */
export interface MemberLink {
  readonly transport: ClientTransport;
  /** The member wants other ids. */
  changed(): void;
  leave(member: LinkMember): void;
  reconnect(): void;
}

/**
 * One connection of the application: its ids, its place in each of them, its state and its callbacks. It shares a link
 * with other members, or has a link of its own.
 */
export class LinkMember {
  readonly settings: Settings;
  readonly places = new Places();
  /** Set when it joins. */
  link!: MemberLink;
  /** The option `cursor` when it cannot be read: the server then says what is wrong with it. */
  raw: string | undefined;
  #state: State = 'connecting';
  #toldTransport: ClientTransport | undefined;
  readonly #options: ConnectOptions;
  readonly #memory: CursorMemory | undefined;
  #openedOnce = false;
  /** It has a cursor that the server has not yet answered with `recovered`. */
  #toConfirm: boolean;
  /** The cursor is from before a reload of the page, and no server has accepted it yet. */
  #untried: boolean;
  /** A cursor was discarded: `onLost` says so when the connection opens. */
  #discarded = false;
  /** Promises of `add`, by id. They resolve when the id is in effect. */
  readonly #added = new Map<string, Added>();
  /** Pending while the application's promise of `onMessage` is. */
  #busy: Promise<unknown> | undefined;
  #release: (() => void) | undefined;
  #quiet = false;

  constructor(settings: Settings, ids: readonly string[], options: ConnectOptions) {
    const { remember, storage, cursor } = options;
    this.settings = settings;
    this.#options = options;
    if (remember !== undefined) this.#memory = new CursorMemory(remember, settings.endpoint.href, storage);
    const given = cursor === undefined ? undefined : splitCursor(cursor, ids.length);
    if (given === undefined) this.raw = cursor;
    const since = sinceOf(options.since);
    for (const [index, id] of ids.entries())
      this.places.add(id, since, cursor === undefined ? this.#memory?.read(id) : given?.[index]);
    const standing = ids.some((id) => this.places.get(id)?.place !== undefined);
    this.#toConfirm = standing || this.raw !== undefined;
    this.#untried = standing && cursor === undefined;
    this.#discarded = this.#memory?.unreadable === true;
  }

  get state(): State {
    return this.#state;
  }

  /** Closed or failed. */
  get over(): boolean {
    return this.#state === 'closed' || this.#state === 'failed';
  }

  /**
   * @returns resolves when the ids are in effect, so that nothing more is missed; also for an id that is added twice
   */
  add(ids: readonly string[], since: string | undefined): Promise<void> {
    const fresh = ids.filter((id) => !this.over && this.places.get(id) === undefined);
    this.settings.endpoint.checkRoom([...this.places.ids, ...fresh]);
    for (const id of fresh) this.places.add(id, since, this.#memory?.read(id));
    for (const id of this.over || this.#openedOnce ? fresh : ids)
      if (!this.#added.has(id)) this.#added.set(id, addedOf());
    if (fresh.length > 0) this.link.changed();
    const all = Promise.all(ids.map((id) => this.#added.get(id)?.promise)).then(() => undefined);
    all.catch(() => undefined); // onError is told, too
    return all;
  }

  remove(ids: readonly string[]): void {
    const rest = this.places.ids.filter((id) => !ids.includes(id));
    if (rest.length === 0)
      throw new TypeError('A connection needs an id: close it instead of removing the last one.');
    for (const id of ids) if (this.places.get(id) !== undefined) this.#drop(id);
    if (!this.over) this.link.changed();
  }

  /** Also the listener of the option `signal`. */
  readonly close = (): void => {
    this.#quiet = true;
    this.#end('closed');
  };

  fail(error: Error): void {
    if (this.over) return;
    this.#end('failed', error);
    if (!this.#quiet) this.#call('onError', () => this.#options.onError?.(error));
  }

  /** Ids that were added later are dropped. Without an id that the server accepts, the connection fails. */
  refuse(error: RefusedError, ids: readonly string[]): void {
    if (this.#untried && error.status === 400) return this.#forget();
    const added = ids.filter((id) => this.#added.has(id));
    if (added.length < ids.length || !this.#openedOnce) return this.fail(error);
    for (const id of added) this.#drop(id, error);
    this.error(error);
  }

  error(error: Error): void {
    if (!this.over) this.#call('onError', () => this.#options.onError?.(error));
  }

  enter(state: State, detail: StateDetail): void {
    if (this.over || (state === this.#state && detail.transport === this.#toldTransport)) return;
    this.#state = state;
    this.#toldTransport = detail.transport;
    if (state !== 'open' && this.#openedOnce) this.#toConfirm = true;
    this.#call('onState', () => this.#options.onState?.(state, detail));
  }

  /**
   * The server answers.
   * @param ids that were asked for
   * @param resumes from a cursor
   */
  opened(ids: readonly string[], resumes: boolean, transport: ClientTransport): void {
    const again = this.#openedOnce && !ids.every((id) => this.#added.has(id));
    for (const id of ids) this.#takesEffect(id);
    this.#openedOnce = true;
    this.enter('open', { transport });
    // Without a cursor, nobody knows what came in between; of ids that have just been added nothing did.
    if (this.#discarded || (again && !resumes)) this.lose();
    this.#discarded = false;
  }

  /** All its ids have been asked for, some of them alone. */
  caughtUp(transport: ClientTransport): void {
    const { places } = this;
    const asked = places.ids.filter((id) => places.get(id)?.place !== undefined || places.get(id)?.bare);
    if (asked.length === places.ids.length) this.opened(asked, true, transport);
    else for (const id of asked) this.#takesEffect(id);
  }

  /** The server has answered the cursor. */
  resumed(recovered: boolean): void {
    const confirms = this.#toConfirm;
    this.#toConfirm = false;
    this.#untried = false;
    this.raw = undefined;
    if (!recovered) {
      this.places.loosen();
      this.lose();
    } else if (confirms && !this.over) {
      this.#call('onRecovered', () => this.#options.onRecovered?.({ recovered: true }));
    }
  }

  lose(count?: number): void {
    if (this.over) return;
    const loss = { recovered: false, ...(count !== undefined && { lost: count }) } as const;
    this.#call('onLost', () => this.#options.onLost?.(loss));
  }

  /**
   * @param asked progress of the message's id at the time of the request. If the id was removed and added since, it has
   * another progress, and the message is not for it
   * @returns the application's promise, if it gave one: nothing else may be delivered until it settles
   */
  deliver(
    wire: WireMessage,
    place: Place | undefined,
    asked = this.places.get(wire.id),
  ): Promise<unknown> | undefined {
    // Messages arrive by two ways while an id is being added, and while SSE replaces polls.
    if (this.#busy !== undefined) return this.#busy.then(() => this.deliver(wire, place, asked));
    const { id } = wire;
    if (this.over || asked === undefined || this.places.get(id) !== asked) return undefined;
    if (place !== undefined && !this.places.isNew(id, place)) return undefined;
    const message = receivedMessage(wire, this.places.behind(id, place));
    // After the message was handled: a page that is left in the middle gets it again rather than never.
    const handled = () => {
      if (this.places.get(id) === asked) this.move(id, place);
    };
    const settled = this.#call('onMessage', () => this.#options.onMessage(message));
    if (settled === undefined) return void handled();
    const done = settled.then(handled);
    if (this.over) return undefined;
    const released = new Promise<void>((resolve) => {
      this.#release = resolve; // called by close: a closed connection delays no other
      void done.then(resolve);
    });
    this.#busy = released.then(() => {
      this.#busy = undefined;
    });
    return this.#busy;
  }

  move(id: string, place: Place | undefined): void {
    if (place === undefined) this.places.begin(id);
    else if (this.places.move(id, place)) this.#memory?.keep(id, place);
  }

  #takesEffect(id: string): void {
    this.#added.get(id)?.resolve();
    this.#added.delete(id);
  }

  #drop(id: string, error?: Error): void {
    this.places.remove(id);
    this.#memory?.keep(id, undefined);
    if (error === undefined) return this.#takesEffect(id);
    this.#added.get(id)?.reject(error);
    this.#added.delete(id);
  }

  /** The remembered places may be of another server: then the connection begins anew, once. */
  #forget(): void {
    this.#untried = false;
    this.#toConfirm = false;
    this.#discarded = true;
    for (const id of this.places.ids) this.#memory?.keep(id, undefined);
    this.places.forget();
  }

  #end(state: 'closed' | 'failed', error?: Error): void {
    if (this.over) return;
    this.#state = state;
    const detail = { transport: this.link.transport, ...(error && { error }) };
    this.#call('onState', () => this.#options.onState?.(state, detail));
    for (const { resolve, reject } of this.#added.values()) error === undefined ? resolve() : reject(error);
    this.#memory?.close();
    this.#options.signal?.removeEventListener('abort', this.close);
    this.#release?.();
    this.link.leave(this);
  }

  /**
   * Reports what the application throws or rejects, and goes on.
   * @returns resolves when the application's promise has settled; undefined where it gave none
   */
  #call(name: string, callback: () => unknown): Promise<unknown> | undefined {
    try {
      const returned = callback() as PromiseLike<unknown> | undefined;
      if (typeof returned?.then !== 'function') return undefined;
      return Promise.resolve(returned).catch((error) => report(name, error));
    } catch (error) {
      return void report(name, error);
    }
  }
}

interface Added {
  promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

function addedOf(): Added {
  const added = {} as Added;
  added.promise = new Promise((resolve, reject) => Object.assign(added, { resolve, reject }));
  return added;
}

/** In a page as an uncaught error, which ends nothing there. In Node that would end the process. */
function report(name: string, error: unknown): void {
  const { reportError } = globalThis as { reportError?: (error: unknown) => void };
  if (inPage && reportError !== undefined) reportError(error);
  else console.error(`encke/client: ${name} threw`, error);
}
