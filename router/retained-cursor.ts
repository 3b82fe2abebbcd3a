import type { Message, Qos } from './message.js';
import type { RetainedNode, RetainedTree } from './retained-tree.js';

const dollar = 0x24;

/** A node on the path of a walk, and which of its children the walk was at last. */
interface Stop {
  readonly node: RetainedNode;
  born: number;
  place: number;
}

/**
 * A walk through the retained messages that a filter matches, which can be left at any point and taken up again after
 * others have come, gone and been replaced. It finds what was there when it was made and still is: what has come since
 * has been delivered to a subscriber already. Left alone it holds one path of the tree, and no messages.
 */
export class RetainedCursor {
  readonly #root: RetainedNode;
  readonly #filter: string;
  /** The last of the tree's changes that it looks at. */
  readonly #until: number;
  /** Its messages are not for this subscriber: it has published them, and has asked for No Local. */
  readonly #without: string | undefined;
  #levels: readonly string[] = [];
  /** From the root down to where the walk is; undefined before its first step. */
  #path: Stop[] | undefined = undefined;
  #found: RetainedNode | undefined = undefined;

  constructor(tree: RetainedTree, filter: string, without?: string) {
    this.#root = tree.root;
    this.#filter = filter;
    this.#without = without;
    this.#until = tree.changes;
  }

  /** There is nothing more to find. */
  get done(): boolean {
    return this.#path !== undefined && this.#path.length === 0 && this.#message === undefined;
  }

  /** Of the message that it is at; undefined where it is at none, and has to `seek` on. */
  get qos(): Qos | undefined {
    return this.#message?.qos;
  }

  /**
   * Goes on to the next message, or as far as it gets in so many steps; stays where it is at one.
   * @returns how many steps it took: one for each level down to the next node, or up
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

  /** Leaves the message that it is at behind. @returns it as a new object, so that its encodings are not kept */
  take(): Message {
    const message = this.#message!;
    this.#found = undefined;
    return message.asRetained();
  }

  /** Where it has been cleared or replaced while the walk waited, it is none. */
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

  /** To the next child of where it is, or up to where it came from. */
  #step(path: Stop[]): void {
    const depth = path.length - 1;
    const stop = path[depth]!;
    const level = this.#levels[depth] ?? '#';
    const wildcard = level === '#' || level === '+';
    const child = wildcard ? nextChild(stop) : stop.node.child(level);
    // A child older than the last one has been seen; one that was born after the walk began is not looked for.
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
