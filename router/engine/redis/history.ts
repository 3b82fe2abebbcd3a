import { setTimeout as pause } from 'node:timers/promises';
import type { Loaded } from '../../history/loaded-id.js';
import type { HistorySource } from '../../history/replicated-history.js';
import type { Message } from '../../message.js';
import type { ShardError } from './errors.js';
import { messageInHistory } from './message-format.js';
import type { Receiver } from './receiver.js';
import type { Shard } from './shard.js';
import type { ChannelSubscriptions } from './subscriptions.js';

/** Of one answer, so that no other caller waits long for it. */
const pieceBytesMax = 1024 * 1024;
/** Before the next try, where a server says no. */
const retryMs = 50;

export interface SharedHistoryParts {
  /** The names of the rules, as the functions take them. */
  readonly ruleTexts: readonly string[];
  /** Payloads of all that is being loaded. */
  readonly bytesMax: number;
  readonly epoch: () => string;
  /** Of the shard that has the id. */
  readonly partFor: (id: string) => {
    readonly shard: Shard;
    readonly subscriptions: ChannelSubscriptions;
    readonly receiver: Receiver;
  };
}

/** The answer of `read` for one id. */
export type ReadPart = [floor: number, complete: number, ...entries: Buffer[]];

/** The histories in Redis, a list for each id, as this node reads them. */
export class SharedHistory implements HistorySource {
  readonly #parts: SharedHistoryParts;
  #loadingBytes = 0;
  #stopped = false;

  constructor(parts: SharedHistoryParts) {
    this.#parts = parts;
  }

  get epoch(): string {
    return this.#parts.epoch();
  }

  position(id: string): number {
    const { shard, receiver } = this.#parts.partFor(id);
    // While a node catches up, some of its ids are ahead of it.
    return Math.max(shard.subscribed.position, receiver.progressOf(id));
  }

  hold(id: string): void {
    this.#parts.partFor(id).subscriptions.hold(id);
  }

  release(id: string): void {
    this.#parts.partFor(id).subscriptions.release(id);
  }

  async begin(id: string): Promise<void> {
    const { shard } = this.#parts.partFor(id);
    while (shard.carries) {
      const arrived = await this.#arrived(id);
      // A right is missing, say: it is subscribed all the same, and the place is that of a second ago.
      if (arrived !== 'lost') return;
    }
  }

  async load(rule: number, id: string, offset: number, untilMs: number): Promise<Loaded | undefined> {
    while (!this.#stopped && performance.now() < untilMs) {
      try {
        if ((await this.#arrived(id)) !== 'yes') continue;
        const loaded = await this.#read(rule, id, offset);
        // Messages that were read may be under way to here still.
        if ((await this.#arrived(id)) === 'yes') return loaded;
      } catch {
        await pause(retryMs);
      }
    }
    return undefined;
  }

  stop(): void {
    this.#stopped = true;
  }

  /**
   * The subscription of a held id is in effect, and all that its shard has published until now has come.
   * @returns whether the connection was lost meanwhile, or the server refuses to say
   */
  async #arrived(id: string): Promise<'yes' | 'lost' | 'refused'> {
    const { shard, subscriptions } = this.#parts.partFor(id);
    try {
      await shard.subscribed.place(); // behind the SUBSCRIBE, on the same connection
      return 'yes';
    } catch (error) {
      await new Promise<void>((resolve) => subscriptions.whenInEffect(resolve));
      await pause(retryMs); // it may be there and refuse, and would be asked without end
      return (error as ShardError).kind === 'refused' ? 'refused' : 'lost';
    }
  }

  /** @throws ShardError */
  async #read(rule: number, id: string, offset: number): Promise<Loaded> {
    const { shard } = this.#parts.partFor(id);
    const messages: Message[] = [];
    let [after, floor, bytes] = [offset, offset, 0];
    try {
      for (;;) {
        const args = [shard.parts.run, pieceBytesMax, id, after, this.#parts.ruleTexts[rule]!];
        const [position, , part] = (await shard.read('read', args)) as [number, number, ReadPart];
        const [pieceFloor, complete, ...entries] = part;
        // Messages that were read before may have gone from Redis since; they are here.
        if (pieceFloor > after) floor = pieceFloor;
        for (const entry of entries) {
          const message = messageInHistory(id, entry).kept();
          messages.push(message);
          bytes += message.bytes;
          this.#loadingBytes += message.bytes;
          after = message.offset;
        }
        while (this.#loadingBytes > this.#parts.bytesMax && messages.length > 1) {
          const { offset: dropped, bytes: droppedBytes } = messages.shift()!;
          bytes -= droppedBytes;
          this.#loadingBytes -= droppedBytes;
          floor = Math.max(floor, dropped);
        }
        if (complete === 1) return { messages, floor, position };
      }
    } finally {
      this.#loadingBytes -= bytes;
    }
  }
}
