import type { SeededRandom } from '../../seeded-random.js';
import type { Ways } from './ways.js';
import type { World } from './world.js';

interface Kind {
  readonly name: string;
  /** What it is done to: `node` stands for the node and its links. */
  readonly target: 'node' | 'nats' | 'all nats';
  readonly mostMs: number;
  /** Does it. @returns what undoes it */
  strike(world: World, at: number): Promise<() => Promise<void> | void>;
  /** Which ways may lose messages by it. */
  affects(from: number, to: number, at: number): boolean;
}

const anyOf = (from: number, to: number, at: number) => from === at || to === at;
const remoteOf = (from: number, to: number, at: number) => from !== to && anyOf(from, to, at);
const remote = (from: number, to: number) => from !== to;

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
    affects: remoteOf, // own subscribers are served all the same
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
    affects: remoteOf,
    async strike({ links }, at) {
      for (const link of links[at]!) link.cut();
      return () => {};
    },
  },
  {
    name: 'nats-server killed',
    target: 'nats',
    mostMs: 4_000,
    affects: remote,
    async strike({ nats }, at) {
      await nats.servers[at]!.kill();
      return () => nats.servers[at]!.restart();
    },
  },
  {
    name: 'nats-server paused',
    target: 'nats',
    mostMs: 7_000,
    affects: remote,
    async strike({ nats }, at) {
      nats.servers[at]!.signal('SIGSTOP');
      return () => nats.servers[at]!.signal('SIGCONT');
    },
  },
  {
    name: 'all nats-servers killed',
    target: 'all nats',
    mostMs: 3_000,
    affects: remote,
    async strike({ nats }) {
      await Promise.all(nats.servers.map((server) => server.kill()));
      return async () => {
        await Promise.all(nats.servers.map((server) => server.restart()));
      };
    },
  },
];

/** What is done to a world at random, up to two things at once. */
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
    const at = this.#random.below(this.#world.nodes.length);
    const forMs = 1 + this.#random.below(kind.mostMs);
    const what = kind.target === 'all nats' ? kind.name : `${kind.name} (${at}) for ${forMs} ms`;
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

  /** A node that starts needs a nats-server that answers: nothing else happens beside the end of all of them. */
  #take(target: Kind['target'], at: number): string | undefined {
    const name = target === 'all nats' ? target : `${target} ${at}`;
    if (this.#busy.has(name) || this.#busy.has('all nats')) return undefined;
    if (target === 'all nats' && this.#busy.size > 0) return undefined;
    this.#busy.add(name);
    return name;
  }
}

/** Its port may be in use for a moment yet, and the first nats-server that it tries may be the one that stands still. */
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
