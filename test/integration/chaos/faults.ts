import type { RedisServer } from '../../redis-server.js';
import type { SeededRandom } from '../../seeded-random.js';
import type { Ways } from './ways.js';
import { shards, type World } from './world.js';

interface Kind {
  readonly name: string;
  /** Target of the fault: `node` means the node and its links. */
  readonly target: 'node' | 'redis' | 'all redis';
  readonly mostMs: number;
  /** Does it. @returns what undoes it */
  strike(world: World, at: number): Promise<() => Promise<void> | void>;
  /** Which ways may lose messages by it. */
  affects(from: number, to: number, at: number): boolean;
}

const anyOf = (from: number, to: number, at: number) => from === at || to === at;
const all = () => true;

const kinds: readonly Kind[] = [
  {
    name: 'node killed',
    target: 'node',
    mostMs: 2_000,
    affects: anyOf,
    async strike({ nodes }, at) {
      await nodes[at]!.kill();
      return () => startAgain(() => nodes[at]!.start());
    },
  },
  {
    name: 'node paused',
    target: 'node',
    mostMs: 7_000,
    affects: anyOf,
    async strike({ nodes }, at) {
      nodes[at]!.signal('SIGSTOP');
      return () => nodes[at]!.signal('SIGCONT');
    },
  },
  {
    name: 'links stalled',
    target: 'node',
    mostMs: 9_000,
    affects: anyOf, // what is published here comes back by Redis
    async strike({ links }, at) {
      for (const link of links[at]!) link.stall();
      return () => {
        for (const link of links[at]!) link.heal();
      };
    },
  },
  {
    name: 'links cut',
    target: 'node',
    mostMs: 1,
    affects: anyOf,
    async strike({ links }, at) {
      for (const link of links[at]!) link.cut();
      return () => {};
    },
  },
  ofMaster(
    'redis killed',
    4_000,
    (master) => master.kill(),
    (master) => master.restart(),
  ),
  ofMaster(
    'redis killed, and comes back empty',
    4_000,
    (master) => master.kill(),
    (master) => master.restartEmpty(),
  ),
  ofMaster(
    'redis paused',
    7_000,
    (master) => master.pause(),
    (master) => master.resume(),
  ),
  {
    name: 'replica promoted',
    target: 'redis',
    mostMs: 1,
    affects: all,
    async strike(world, at) {
      await world.failOver(at);
      return () => {};
    },
  },
  {
    name: 'both redis killed',
    target: 'all redis',
    mostMs: 3_000,
    affects: all,
    async strike({ pairs }) {
      const masters = pairs.map(({ master }) => master);
      await Promise.all(masters.map((master) => master.kill()));
      return async () => {
        await Promise.all(masters.map((master) => master.restart()));
      };
    },
  },
];

/** A fault of one Redis server, which all ways go through. */
function ofMaster(
  name: string,
  mostMs: number,
  strike: (master: RedisServer) => Promise<void> | void,
  undo: (master: RedisServer) => Promise<void> | void,
): Kind {
  return {
    name,
    target: 'redis',
    mostMs,
    affects: all,
    async strike({ pairs }, at) {
      const { master } = pairs[at]!;
      await strike(master);
      return () => undo(master);
    },
  };
}

/** Strikes a world at random, with two faults at once at most. */
export class Faults {
  readonly struck = new Map<string, number>();
  readonly #world: World;
  readonly #ways: Ways;
  readonly #random: SeededRandom;
  readonly #say: (line: string) => void;
  readonly #busy = new Set<string>();

  constructor(world: World, ways: Ways, random: SeededRandom, say: (line: string) => void) {
    this.#world = world;
    this.#ways = ways;
    this.#random = random;
    this.#say = say;
  }

  /** One thing or two at once; resolves when all is undone. */
  async round(): Promise<void> {
    const first = this.#one();
    if (this.#random.chance(0.4)) {
      await pause(this.#random.below(3_000));
      await this.#one();
    }
    await first;
  }

  async #one(): Promise<void> {
    const kind = this.#random.pick(kinds);
    const at = this.#random.below(kind.target === 'redis' ? shards : this.#world.nodes.length);
    const forMs = 1 + this.#random.below(kind.mostMs);
    const what = kind.target === 'all redis' ? kind.name : `${kind.name} (${at}) for ${forMs} ms`;
    const name = this.#take(kind.target, at);
    if (name === undefined) return;
    this.struck.set(kind.name, (this.struck.get(kind.name) ?? 0) + 1);
    this.#say(what);
    const end = this.#ways.begin(kind.name, (from, to) => kind.affects(from, to, at));
    const undo = await kind.strike(this.#world, at);
    await pause(forMs);
    await undo();
    end();
    this.#busy.delete(name);
  }

  /** A node that starts needs a server that answers: nothing else happens beside the end of both. */
  #take(target: Kind['target'], at: number): string | undefined {
    const name = target === 'all redis' ? target : `${target} ${at}`;
    if (this.#busy.has(name) || this.#busy.has('all redis')) return undefined;
    if (target === 'all redis' && this.#busy.size > 0) return undefined;
    this.#busy.add(name);
    return name;
  }
}

/** Its port may be in use for a moment yet, and both of its servers may stand still. */
async function startAgain(start: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await start();
    } catch (error) {
      if (tries === 5) throw error;
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
