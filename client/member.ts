import { CursorMemory } from './cursor-memory.js';
import type { RefusedError } from './failure.js';
import type { Link } from './link.js';
import { messageOf, type WireMessage } from './message.js';
import type { ConnectOptions, State, StateDetail } from './options.js';
import { type Place, Places, parseCursor } from './places.js';
import { inPage, type Settings, sinceOf } from './settings.js';
import type { Transport } from './transport-choice.js';

/**
 * One connection as the application has it: its ids, where it stands in them, its state and its callbacks. It shares a
 * link with others, or has one of its own.
 */
export class Member {
  readonly settings: Settings;
  readonly places = new Places();
  /** Set when it joins. */
  link!: Link;
  /** Of the option `cursor`, where it is none that can be read: the server is to say what is wrong with it. */
  raw: string | undefined;
  #state: State = 'connecting';
  #toldTransport: Transport | undefined;
  readonly #options: ConnectOptions;
  readonly #memory: CursorMemory | undefined;
  #openedOnce = false;
  /** It has a cursor of which it is not known yet what has become of it. */
  #toConfirm: boolean;
  /** The cursor is from before a reload, and no server has taken it yet. */
  #untried: boolean;
  /** A cursor was discarded: told when it opens. */
  #discarded = false;
  /** Of ids that were added: told when they are in effect. */
  readonly #added = new Map<string, Added>();
  /** While a promise of the application is waited for. */
  #busy: Promise<unknown> | undefined;
  #release: (() => void) | undefined;
  #quiet = false;

  constructor(settings: Settings, ids: readonly string[], options: ConnectOptions) {
    const { remember, storage, cursor } = options;
    this.settings = settings;
    this.#options = options;
    if (remember !== undefined) this.#memory = new CursorMemory(remember, settings.endpoint.href, storage);
    const given = cursor === undefined ? undefined : parseCursor(cursor, ids.length);
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

  /** It listens no more. */
  get over(): boolean {
    return this.#state === 'closed' || this.#state === 'failed';
  }

  /** In effect when the promise resolves, for who adds it a second time, too: from then on nothing is missed. */
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

  /** A listener of the option `signal`, too. */
  readonly close = (): void => {
    this.#quiet = true;
    this.#end('closed');
  };

  fail(error: Error): void {
    if (this.over) return;
    this.#end('failed', error);
    if (!this.#quiet) this.#call('onError', () => this.#options.onError?.(error));
  }

  /** What was added alone goes again; without any id that the server will have, the connection fails. */
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
  opened(ids: readonly string[], resumes: boolean, transport: Transport): void {
    const again = this.#openedOnce && !ids.every((id) => this.#added.has(id));
    for (const id of ids) this.#takesEffect(id);
    this.#openedOnce = true;
    this.enter('open', { transport });
    // Without a cursor, nobody knows what came in between; of ids that have just been added nothing did.
    if (this.#discarded || (again && !resumes)) this.lose();
    this.#discarded = false;
  }

  /** All its ids have been asked for, some of them alone. */
  caughtUp(transport: Transport): void {
    const { places } = this;
    const asked = places.ids.filter((id) => places.get(id)?.place !== undefined || places.get(id)?.bare);
    if (asked.length === places.ids.length) this.opened(asked, true, transport);
    else for (const id of asked) this.#takesEffect(id);
  }

  /** What became of the cursor. */
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
   * @param asked of its id, when it was asked for: one that was removed and added since begins anew, and this is not for it
   * @returns a promise where the application has given one: until then nothing else is to come
   */
  deliver(
    wire: WireMessage,
    place: Place | undefined,
    asked = this.places.get(wire.id),
  ): Promise<unknown> | undefined {
    // By two ways at once come messages of an id that is being added, and those of polls that SSE takes the place of.
    if (this.#busy !== undefined) return this.#busy.then(() => this.deliver(wire, place, asked));
    const { id } = wire;
    if (this.over || asked === undefined || this.places.get(id) !== asked) return undefined;
    if (place !== undefined && !this.places.isNew(id, place)) return undefined;
    const message = messageOf(wire, this.places.behind(id, place));
    // After it was handled: a page that is left in the middle gets it again rather than never.
    const handled = () => {
      if (this.places.get(id) === asked) this.move(id, place);
    };
    const settled = this.#call('onMessage', () => this.#options.onMessage(message));
    if (settled === undefined) return void handled();
    const done = settled.then(handled);
    if (this.over) return undefined;
    const released = new Promise<void>((resolve) => {
      this.#release = resolve; // by close: one that is closed holds up no other
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

  /** What was remembered may be of another server by now: then this begins anew, once. */
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
   * What the application throws, or rejects, is the application's: it is reported, and this goes on.
   * @returns resolves when its promise has settled; undefined where it has given none
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

/** As an uncaught error in a page, where it ends nothing; in Node that would end the process. */
function report(name: string, error: unknown): void {
  const { reportError } = globalThis as { reportError?: (error: unknown) => void };
  if (inPage && reportError !== undefined) reportError(error);
  else console.error(`encke/client: ${name} threw`, error);
}
