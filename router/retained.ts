import { type LevelNode, LevelTree } from './level-tree.js';
import { Message } from './message.js';

export interface RetainedOptions {
  /** Retained messages in all. Default 100,000. */
  maxRetained?: number;
  /** Largest payload that is retained, bytes. Default 65,536. */
  maxRetainedSize?: number;
  /** All retained messages together with their ids, bytes. Default 256 MiB. */
  retainedBytesTotalMax?: number;
}

/** Which limit has kept a message from being retained. */
export type RetainedRefusal = 'count' | 'size' | 'bytes';

type Node = LevelNode<Message>;

/** A Message, its typed array and its node, besides payload and id: 450 B measured; keeps empty-handed topics from being free. */
const entryBytes = 450;

/**
 * The last message of each id that was published to be kept, for who subscribes later: by level, so that a filter
 * with wildcards looks only where it can match. Owns what it keeps.
 */
export class Retained {
  readonly #tree = new LevelTree<Message>();
  readonly #max: number;
  readonly #sizeMax: number;
  readonly #bytesMax: number;
  #bytes = 0;
  /** Messages that were not retained, by the limit that they crossed. */
  readonly refused: Record<RetainedRefusal, number> = { count: 0, size: 0, bytes: 0 };

  constructor(options: RetainedOptions = {}) {
    this.#max = options.maxRetained ?? 100_000;
    this.#sizeMax = options.maxRetainedSize ?? 65_536;
    this.#bytesMax = options.retainedBytesTotalMax ?? 256 * 1024 * 1024;
  }

  get count(): number {
    return this.#tree.size;
  }

  /** Payloads, ids and what is around them. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Keeps the message in place of the last one of its id; an empty one only clears [MQTT-3.3.1-10]. Where a limit
   * refuses it, the last one goes all the same: it is no longer what the publisher wants told.
   */
  keep(message: Message): void {
    const last = this.#tree.get(message.id);
    const freed = last === undefined ? 0 : bytesOf(last);
    const refusal = this.#refusalOf(message, last !== undefined, freed);
    if (message.payload.length === 0 || refusal !== undefined) {
      if (this.#tree.delete(message.id) !== undefined) this.#bytes -= freed;
      if (refusal !== undefined) this.refused[refusal]++;
      return;
    }
    const { id, payload, timeMs, qos } = message.kept();
    this.#tree.set(id, new Message(id, payload, timeMs, qos, true));
    this.#bytes += bytesOf(message) - freed;
  }

  /** What is kept for the ids that a filter matches; new objects, so that their encodings are not kept, too. */
  for(filter: string): Message[] {
    const found: Message[] = [];
    const add = ({ value }: Node) => {
      if (value !== undefined) found.push(copyOf(value));
    };
    let nodes: Node[] = [this.#tree.root];
    for (const level of filter.split('/')) {
      if (level === '#') {
        for (const node of nodes) this.#visitAll(node, add);
        return found;
      }
      nodes = level === '+' ? nodes.flatMap((node) => this.#below(node)) : childrenAt(nodes, level);
      if (nodes.length === 0) return found;
    }
    for (const node of nodes) add(node);
    return found;
  }

  /** Whether this is what is kept for its id: a copy has the very bytes of what it was made of. */
  has({ id, payload }: Message): boolean {
    return this.#tree.get(id)?.payload === payload;
  }

  #refusalOf(message: Message, replaces: boolean, freed: number): RetainedRefusal | undefined {
    if (message.payload.length === 0) return undefined;
    if (message.payload.length > this.#sizeMax) return 'size';
    if (!replaces && this.count >= this.#max) return 'count';
    return this.#bytes - freed + bytesOf(message) > this.#bytesMax ? 'bytes' : undefined;
  }

  /** The children that a wildcard matches: not those of the first level that begin with $ [MQTT-4.7.2-1]. */
  #below(node: Node): Node[] {
    const { children } = node;
    if (children === undefined) return [];
    const all = children instanceof Map ? [...children.values()] : [children];
    return node === this.#tree.root ? all.filter(({ level }) => !level.startsWith('$')) : all;
  }

  /** The node itself, too, as `a/#` matches `a`. */
  #visitAll(from: Node, visit: (node: Node) => void): void {
    const left = [from];
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      visit(node);
      for (const child of this.#below(node)) left.push(child);
    }
  }
}

function childrenAt(nodes: Node[], level: string): Node[] {
  const found: Node[] = [];
  for (const node of nodes) {
    const child = node.child(level);
    if (child !== undefined) found.push(child);
  }
  return found;
}

function copyOf({ id, payload, timeMs, qos }: Message): Message {
  return new Message(id, payload, timeMs, qos, true);
}

function bytesOf({ id, payload }: Message): number {
  return id.length + payload.length + entryBytes;
}
