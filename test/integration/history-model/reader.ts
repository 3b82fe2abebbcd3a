import { resetSocket } from '../../../floodtest/reset-socket.js';
import { readEventStream, type SentEvent } from '../../gateway/history/events.js';
import { Wire } from '../../gateway/raw-wire.js';
import type { Position } from './position.js';
import type { Truth } from './truth.js';

export type Kind = 'poll' | 'ndjson' | 'sse';

/** The request of a reader. Between two connections it knows only its cursor. */
function pathOf(kind: Kind, ids: readonly string[], cursor: string | undefined): string {
  const path = { poll: '/poll', ndjson: '/stream', sse: '/events' }[kind];
  const all = ids.map((id) => `id=${id}`).join('&');
  const asked = ids.length === 1 ? `${path}/${ids[0]}?` : `${path}?${all}&`;
  const from = cursor === undefined ? '' : `cursor=${cursor}`;
  return `${asked}${from}${kind === 'poll' ? '&timeout=1' : ''}`;
}

/** The position of a reader. The messages that may be missing differ between one server and several. */
export type ReaderPosition = Pick<
  Position,
  'ids' | 'cursor' | 'start' | 'lost' | 'message' | 'checkpoint'
> & { nothing(recovered: boolean, askedMs: number): void };

/** One client of one transport, over all its connections. Reads bytes, and nothing through the server's code. */
export class Reader<Place extends ReaderPosition = Position> {
  readonly name: string;
  readonly kind: Kind;
  readonly position: Place;
  state: 'away' | 'connecting' | 'connected' = 'away';
  /** Connections that were not ended from here. */
  closedByServer = 0;
  /** It knows how its connection, or its last poll, began. */
  begun = false;
  messages = 0;
  unrecovered = 0;
  lost = 0;
  answers = 0;
  #wire: Wire | undefined;
  #next = 0;
  #unread = '';
  #connection = 0;
  #askedMs = 0;

  constructor(name: string, kind: Kind, position: Place) {
    this.name = name;
    this.kind = kind;
    this.position = position;
  }

  async connect(port: number, truth: Truth): Promise<void> {
    this.state = 'connecting';
    const connection = ++this.#connection;
    const wire = await Wire.open(port).catch(() => undefined);
    if (connection !== this.#connection) return wire?.socket.destroy() as undefined;
    if (wire === undefined) {
      this.state = 'away';
      return;
    }
    this.#wire = wire;
    this.state = 'connected';
    wire.socket.on('data', () => {
      if (connection === this.#connection) this.#read(wire, truth);
    });
    wire.socket.on('close', () => {
      if (connection !== this.#connection) return;
      this.closedByServer++;
      this.state = 'away';
      this.begun = false;
    });
    this.#ask(wire);
  }

  drop(how: 'reset' | 'end'): void {
    this.#connection++;
    this.state = 'away';
    this.begun = false;
    if (this.#wire === undefined) return;
    if (how === 'reset') resetSocket(this.#wire.socket);
    else this.#wire.socket.destroy();
  }

  stall(): void {
    this.#wire?.stall();
  }

  resume(): void {
    this.#wire?.resume();
  }

  #ask(wire: Wire): void {
    this.#next = 0;
    this.#unread = '';
    this.begun = false;
    this.#askedMs = performance.now();
    const { ids, cursor } = this.position;
    const asked = pathOf(this.kind, ids, cursor);
    if (this.kind === 'poll' || cursor === undefined || this.#connection % 2 === 0) wire.ask(asked);
    else wire.ask(asked.replace(/cursor=[^&]*/, ''), { headers: { 'Last-Event-ID': cursor } });
  }

  #read(wire: Wire, truth: Truth): void {
    if (wire.problem !== undefined) throw new Error(wire.problem);
    if (wire.head !== '' && wire.status >= 400) throw new Error(`${this.name}: ${wire.head}${wire.text}`);
    if (this.kind === 'poll') {
      if (wire.complete) this.#readAnswer(wire, truth);
      return;
    }
    for (; this.#next < wire.chunks.length; this.#next++) {
      this.#unread += wire.chunks[this.#next]!.toString();
      wire.chunks[this.#next] = Buffer.alloc(0);
    }
    if (this.kind === 'sse') this.#readEvents(truth);
    else this.#readLines(truth);
  }

  #readAnswer(wire: Wire, truth: Truth): void {
    this.answers++;
    if (wire.status === 200) {
      const { cursor, recovered, messages } = wire.json;
      this.#started(recovered, truth);
      for (const { id, data } of messages) this.#message(id, data);
      if (cursor !== undefined) this.position.checkpoint(cursor);
    } else {
      const cursor = wire.header('Encke-Cursor');
      const recovered = wire.header('Encke-Recovered') === 'true';
      if (this.position.cursor === undefined) this.#started(recovered, truth);
      this.position.nothing(recovered, this.#askedMs);
      if (cursor !== undefined) this.position.checkpoint(cursor);
    }
    this.#ask(wire);
  }

  #readLines(truth: Truth): void {
    const end = this.#unread.lastIndexOf('\n');
    if (end === -1) return;
    const lines = this.#unread.slice(0, end).split('\n');
    this.#unread = this.#unread.slice(end + 1);
    this.#beginWithoutCursor(truth);
    for (const line of lines) {
      if (line === '') continue;
      const { id, data, cursor, recovered, lost } = JSON.parse(line);
      if (recovered !== undefined) this.#started(recovered, truth, cursor);
      else if (lost !== undefined) this.#lost(lost);
      else if (data === undefined) this.position.checkpoint(cursor);
      else this.#message(id, data, cursor);
    }
  }

  #readEvents(truth: Truth): void {
    // Where nothing is kept, all of the greeting is a line that says when to come back.
    if (this.#unread.includes('\n')) this.#beginWithoutCursor(truth);
    const end = this.#unread.lastIndexOf('\n\n');
    if (end === -1) return;
    const { events, lastEventId } = readEventStream(Buffer.from(this.#unread.slice(0, end + 2)));
    this.#unread = this.#unread.slice(end + 2);
    for (const event of events) this.#readEvent(event, truth);
    if (lastEventId !== '' && lastEventId !== this.position.cursor) this.position.checkpoint(lastEventId);
  }

  #readEvent({ type, data, lastEventId }: SentEvent, truth: Truth): void {
    if (type === 'recovered') this.#started(JSON.parse(data).recovered, truth, lastEventId);
    else if (type === 'lost') this.#lost(JSON.parse(data).lost);
    else if (type === 'cursor') this.position.checkpoint(JSON.parse(data).cursor);
    else if (this.position.ids.length === 1) this.#message(this.position.ids[0]!, data, lastEventId);
    else this.#message(JSON.parse(data).id, JSON.parse(data).data, lastEventId);
  }

  /** A reader without a cursor gets no `recovered`: its stream begins with the first message. */
  #beginWithoutCursor(truth: Truth): void {
    if (this.position.cursor === undefined && !this.begun) this.#started(true, truth);
  }

  /** @param cursor where nothing follows at once */
  #started(recovered: boolean, truth: Truth, cursor?: string): void {
    this.begun = true;
    if (!recovered) this.unrecovered++;
    this.position.start(recovered, truth, this.#askedMs);
    if (cursor) this.position.checkpoint(cursor);
  }

  #lost(count: number): void {
    this.lost += count;
    this.position.lost(count);
  }

  #message(id: string, text: string, cursor?: string): void {
    this.messages++;
    this.position.message(id, text, cursor);
  }
}
