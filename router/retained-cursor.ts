import type { Message, Qos } from './message.js';
import type { RetainedNode, RetainedTree } from './retained-tree.js';

const dollar = 0x24;

/** A node on the path of a walk, and the last visited child. */
interface Stop {
  readonly node: RetainedNode;
  born: number;
  place: number;
}

/**
 * A walk through the retained messages of a filter. It can pause at any point and go on after messages were added,
 * removed or replaced. It finds messages that existed when the walk was made and still exist: newer ones have been
 * delivered to the subscriber already. While it pauses it keeps one path of the tree, and no messages.
 */
export class RetainedCursor {
  readonly #root: RetainedNode;
  readonly #filter: string;
  /** The last change of the tree that it considers. */
  readonly #until: number;
  /** Publisher whose messages are omitted, because of No Local. */
  readonly #without: string | undefined;
  #levels: readonly string[] = [];
  /** The path from the root to the current node; undefined before the first step. */
  #path: Stop[] | undefined = undefined;
  #found: RetainedNode | undefined = undefined;

  constructor(tree: RetainedTree, filter: string, without?: string) {
    this.#root = tree.root;
    this.#filter = filter;
    this.#without = without;
    this.#until = tree.changes;
  }

  /** The walk is complete. */
  get done(): boolean {
    return this.#path !== undefined && this.#path.length === 0 && this.#message === undefined;
  }

  /** Of the current message; undefined if there is none, and `seek` must be called. */
  get qos(): Qos | undefined {
    return this.#message?.qos;
  }

  /**
   * Moves to the next message, or as far as so many steps reach. Does not move while it is at a message.
   * @returns the number of steps: one for each level down or up
   */
  seek(stepsMax: number): number {
    this.#path ??= this.#begin();
    let steps = 0;
    for (; steps < stepsMax && this.#path.length > 0 && this.#message === undefined; steps++) {
      this.#found = undefined;
      this.#step(this.#path);
    }
    return steps;
  }

  /** Takes the current message. @returns a new object, so that encodings are not kept */
  take(): Message {
    const message = this.#message!;
    this.#found = undefined;
    return message.asRetained();
  }

  /** Undefined if the message was cleared or replaced while the walk paused. */
  get #message(): Message | undefined {
    const found = this.#found;
    if (found === undefined || found.since > this.#until) return undefined;
    const { value } = found;
    return this.#without !== undefined && value?.publisher === this.#without ? undefined : value;
  }

  #begin(): Stop[] {
    this.#levels = this.#filter.split('/');
    return [stopAt(this.#root)];
  }

  /** Moves to the next child, or up. */
  #step(path: Stop[]): void {
    const depth = path.length - 1;
    const stop = path[depth]!;
    const level = this.#levels[depth] ?? '#';
    const wildcard = level === '#' || level === '+';
    const child = wildcard ? nextChild(stop) : stop.node.child(level);
    // Children older than the last one were visited; children newer than the walk are skipped.
    if (child === undefined || child.born <= stop.born || child.born > this.#until) {
      path.pop();
      return;
    }
    stop.born = child.born;
    if (wildcard && depth === 0 && child.level.charCodeAt(0) === dollar) return; // [MQTT-4.7.2-1]
    if (this.#matchesAt(depth + 1)) this.#found = child;
    if (child.children !== undefined && this.#goesBelow(depth + 1)) path.push(stopAt(child));
  }

  #matchesAt(depth: number): boolean {
    const { length } = this.#levels;
    return this.#levels[length - 1] === '#' ? depth >= length - 1 : depth === length; // a/# matches a, too
  }

  #goesBelow(depth: number): boolean {
    const { length } = this.#levels;
    return depth < length || this.#levels[length - 1] === '#';
  }
}

function stopAt(node: RetainedNode): Stop {
  return { node, born: 0, place: -1 };
}

function nextChild(stop: Stop): RetainedNode | undefined {
  stop.place = stop.node.placeAfter(stop.born, stop.place);
  return stop.node.childAt(stop.place);
}
