import type { Message } from '../../message.js';
import type { HistoryStream, StoredMessage, StreamState } from './history-stream.js';
import type { Come } from './id-order.js';
import { messageOfStream } from './stored-message.js';
import { subjectOfId } from './subject.js';

/** Payloads that are being read right now, by all who read, and how much that may be. */
export interface ReadBudget {
  bytes: number;
  readonly bytesMax: number;
}

/** What is asked for of an id. */
export interface Asked {
  /** Behind it. */
  readonly offset: number;
  /** Up to there. */
  readonly position: number;
  /** What lies behind it has not come to this node by itself, or a moment ago. */
  readonly heard: number;
}

export interface ReadMessages {
  readonly messages: readonly Message[];
  /** Those behind what was heard, as they came; all that lie behind `unheardFrom`. */
  readonly unheard: readonly Come[];
  readonly unheardFrom: number;
  /** Nothing is missing behind this offset. */
  readonly floor: number;
  readonly createdMs: number;
}

/** What is longer than so many times what is kept is not read from its beginning: its end is looked for. */
const tailsMax = 3;

/** Reads the messages of one id out of a stream, one by one: of 2.9's ways none is quicker for a few. */
export class StreamReader {
  readonly #stream: HistoryStream;
  readonly #budget: ReadBudget;
  /** One question for all who ask in the same turn. */
  #asked: Promise<StreamState> | undefined;

  constructor(stream: HistoryStream, budget: ReadBudget) {
    this.#stream = stream;
    this.#budget = budget;
  }

  /**
   * The last ones behind `offset`, and all behind what was heard, up to `position`, as many as the rule says and the budget has room for; of an id that
   * has many, what has come since may count among those. @throws Error
   */
  async read(id: string, { offset, position, heard }: Asked): Promise<ReadMessages> {
    const start = Math.min(offset, heard);
    const subject = this.#stream.subjectPrefix + subjectOfId(id);
    const most = this.#stream.rule.messages;
    const window = new Window(most, start, this.#budget);
    try {
      let from = await this.#readUpTo(id, subject, start + 1, position, window, most + 1);
      if (from !== undefined) {
        if ((await this.#stream.countFrom(subject, from)) > most * tailsMax) {
          from = await this.#tailFrom(subject, from, position);
          window.skipTo(from);
        }
        await this.#readUpTo(id, subject, from, position, window, Number.POSITIVE_INFINITY);
      }
      const { createdMs, firstSequence } = await this.#state(); // behind the reading: what went meanwhile is gone, too
      return {
        messages: window.messages,
        unheard: window.stored.flatMap(({ sequence, data }) =>
          sequence > heard ? [{ id, sequence, last: 0, data }] : [],
        ),
        unheardFrom: window.floor,
        floor: Math.max(window.floor, firstSequence - 1),
        createdMs,
      };
    } finally {
      window.close();
    }
  }

  /** @returns where to go on, when so many are read; undefined = there are no more */
  async #readUpTo(
    id: string,
    subject: string,
    from: number,
    position: number,
    window: Window,
    most: number,
  ): Promise<number | undefined> {
    let next = from;
    for (let read = 0; read < most; read++) {
      const stored: StoredMessage | undefined =
        next > position ? undefined : await this.#stream.next(subject, next);
      if (stored === undefined || stored.sequence > position) return undefined;
      next = stored.sequence + 1;
      const message = messageOfStream(id, stored.sequence, stored.data);
      if (message !== undefined) window.push(message, stored);
    }
    return next;
  }

  /** @returns a sequence behind which there are as many as are kept, or some more */
  async #tailFrom(subject: string, from: number, position: number): Promise<number> {
    const { messages } = this.#stream.rule;
    let [low, high] = [from, position];
    while (high - low > messages) {
      const middle = Math.floor((low + high) / 2);
      const count = await this.#stream.countFrom(subject, middle);
      if (count < messages) high = middle;
      else low = middle;
      if (count >= messages && count <= messages * tailsMax) break;
    }
    return low;
  }

  #state(): Promise<StreamState> {
    this.#asked ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#asked = undefined;
        this.#stream.state().then(resolve, reject);
      });
    });
    return this.#asked;
  }
}

/** The last messages of those that are read. */
class Window {
  readonly messages: Message[] = [];
  /** The same, as the stream has them. */
  readonly stored: StoredMessage[] = [];
  floor: number;
  readonly #most: number;
  readonly #budget: ReadBudget;
  #bytes = 0;

  constructor(most: number, floor: number, budget: ReadBudget) {
    this.#most = most;
    this.floor = floor;
    this.#budget = budget;
  }

  push(message: Message, stored: StoredMessage): void {
    this.messages.push(message);
    this.stored.push(stored);
    this.#count(message.payload.length);
    if (this.messages.length > this.#most) this.#drop();
    while (this.#budget.bytes > this.#budget.bytesMax && this.messages.length > 1) this.#drop();
  }

  /** What is before goes, and what lies between is not read. */
  skipTo(sequence: number): void {
    while (this.messages.length > 0) this.#drop();
    this.floor = Math.max(this.floor, sequence - 1);
  }

  close(): void {
    this.#budget.bytes -= this.#bytes;
    this.#bytes = 0;
  }

  #drop(): void {
    const { offset, payload } = this.messages.shift()!;
    this.stored.shift();
    this.floor = offset;
    this.#count(-payload.length);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
  }
}
