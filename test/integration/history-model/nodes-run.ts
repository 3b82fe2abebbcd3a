import { CuttableWay } from '../../cuttable-way.js';
import { ask } from '../../gateway/raw-wire.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { RedisServer } from '../../redis-server.js';
import { SeededRandom } from '../../seeded-random.js';
import { until } from '../../until.js';
import { type Cluster, maybeMisfortune, noMisfortunes } from './nodes-misfortunes.js';
import { NodesPosition } from './nodes-position.js';
import { NodesPublisher } from './nodes-publisher.js';
import { NodesTruth } from './nodes-truth.js';
import { type Kind, Reader } from './reader.js';

const ids = ['a', 'b', 'c/d'];
const stepsPerRound = 300;
export interface NodesRun {
  seed: number;
  nodes: number;
  forMs: number;
  say: (line: string) => void;
}

export const noNodesCounts = {
  rounds: 0,
  ...noMisfortunes,
  published: 0,
  /** Refused, or not answered: they may be in history or not. */
  uncertain: 0,
  received: 0,
  unrecovered: 0,
  /** By `recovered: false`. */
  skipped: 0,
  closedByServer: 0,
};
export type NodesCounts = Readonly<typeof noNodesCounts>;

interface World extends Cluster {
  readonly publisher: NodesPublisher;
  readonly readers: Reader<NodesPosition>[];
  readonly faults: string[];
  rounds: number;
}

/**
 * The model of history on several nodes of a cluster: readers come back to any node, publishers send to any node, and
 * nodes, their ways to Redis, and Redis have their misfortunes.
 */
export async function runNodes({
  seed,
  nodes,
  forMs,
  say,
}: NodesRun): Promise<{ faults: string[]; counts: NodesCounts }> {
  const random = new SeededRandom(seed);
  const messages = random.pick([10, 100, 100]);
  say(`seed ${seed}, ${nodes} nodes, ${messages} kept of an id`);
  const redis = await RedisServer.start({ appendonly: true });
  const replica = await RedisServer.start({ appendonly: true, replicaOf: redis });
  const flags = [
    ...['--engine', 'redis', '--log-level', 'info', '--drain-sec', '0'],
    ...['--history-rules', `# ${messages} 86400`, '--history-bytes-total-max', `${2 ** 30}`],
    ...['--pending-bytes-max', `${2 ** 24}`, '--batch-bytes-max', `${2 ** 24}`, '--heartbeat-sec', '1'],
  ];
  const truth = new NodesTruth(ids, { messages, ageMs: 86_400_000, bytesMax: 2 ** 30 });
  const faults: string[] = [];
  const up = (): GatewayProcess[] => world.nodes.filter((node) => node !== undefined);
  const world: World = {
    ...{
      redis,
      replica,
      ids,
      nodes: [],
      ways: [],
      truth,
      readers: [],
      random,
      faults,
      outages: new Map(),
      rounds: 0,
    },
    counts: { ...noMisfortunes },
    publisher: new NodesPublisher(random, truth, () => (up().length === 0 ? undefined : random.pick(up()))),
  };
  const start = async () => {
    for (let n = 0; n < nodes; n++) {
      world.ways[n] ??= await CuttableWay.start(world.redis.port);
      world.nodes[n] ??= await startGateway({ flags: [...flags, '--redis', world.ways[n]!.redisUrl] });
    }
  };
  try {
    await start();
    await addReaders(world);
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs && faults.length === 0) {
      for (let step = 0; step < stepsPerRound && faults.length === 0; step++) await oneStep(world);
      await Promise.all(world.outages.values());
      await start();
      if (faults.length === 0) await calm(world);
      world.rounds++;
    }
    say(JSON.stringify(countsOf(world)));
    if (faults.length > 0) for (const node of up()) say(node.log);
  } finally {
    for (const reader of world.readers) reader.drop('end');
    await Promise.all(world.outages.values());
    await Promise.all(up().map((node) => node.kill()));
    for (const way of world.ways) way.stop();
    await Promise.all([redis.stop(), replica.stop()]);
  }
  return { faults, counts: countsOf(world) };
}

function countsOf({ rounds, counts, truth, readers }: World): NodesCounts {
  const sum = (of: (reader: Reader<NodesPosition>) => number) =>
    readers.reduce((sum, reader) => sum + of(reader), 0);
  return {
    rounds,
    ...counts,
    published: truth.published,
    uncertain: truth.uncertain,
    received: sum(({ messages }) => messages),
    unrecovered: sum(({ unrecovered }) => unrecovered),
    skipped: sum(({ position }) => position.skipped),
    closedByServer: sum(({ closedByServer }) => closedByServer),
  };
}

async function addReaders({ nodes, truth, readers, faults }: World): Promise<void> {
  const kinds: Kind[] = ['poll', 'ndjson', 'sse'];
  for (const kind of kinds) {
    for (const some of [['a'], ['a'], ['b'], ['c/d', 'a'], ids]) {
      const query = some.map((id) => `id=${id}`).join('&');
      const answer = await ask(nodes[0]!.port, `/poll?${query}&timeout=0`);
      const name = `${kind} ${readers.length} of ${some}`;
      const fault = (what: string) => faults.push(`${name} ${what}`);
      const position = new NodesPosition(some, answer.header('Encke-Cursor')!, truth, fault);
      readers.push(new Reader(name, kind, position));
    }
  }
}

/** Readers mostly stay for longer than an outage: what is missing then in a stream that lasts is what is looked for. */
async function oneStep(world: World): Promise<void> {
  const { random, publisher, readers } = world;
  const reader = random.pick(readers);
  const kind = random.below(1000);
  if (kind < 400) publisher.one(random.pick(ids));
  else if (kind < 480) publisher.batch(ids, 1 + random.below(random.pick([5, 60, 300])), 10);
  else if (kind < 490) publisher.batch([random.pick(ids)], 20, 60_000);
  else if (kind < 700 && reader.state === 'away') connect(world, reader);
  else if (kind < 720 && reader.state !== 'away') reader.drop(random.pick(['reset', 'end']));
  else if (kind < 740) reader.stall();
  else if (kind < 800) reader.resume();
  await maybeMisfortune(world);
  if (random.chance(0.3)) await new Promise(setImmediate);
  if (random.chance(0.3)) await new Promise((resolve) => setTimeout(resolve, random.below(10)));
}

function connect({ random, nodes, truth }: World, reader: Reader<NodesPosition>): void {
  const up = nodes.filter((node) => node !== undefined);
  void reader.connect(random.pick(up).port, truth);
}

/** All come back and read on: each has all there is then, less what it was told. */
async function calm(world: World): Promise<void> {
  const { truth, readers, faults } = world;
  const settled = () => {
    if (faults.length > 0) return true;
    for (const reader of readers) {
      reader.resume();
      if (reader.state === 'away') connect(world, reader);
    }
    return truth.busy.size === 0 && readers.every(({ position }) => position.missing() === 0);
  };
  await until('all have all', settled, 30_000).catch(() => undefined);
  if (truth.busy.size > 0) faults.push(`a publication to ${[...truth.busy]} is not answered`);
  for (const { name, position, state } of readers) {
    const missing = position.missing();
    if (missing !== 0)
      faults.push(
        `${name} lacks ${missing}, first ${position.lacks}; with cursor ${position.cursor}, ${state}`,
      );
  }
}
