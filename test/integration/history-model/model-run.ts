import { lastingPort } from '../../free-port.js';
import { ask } from '../../gateway/raw-wire.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { SeededRandom } from '../../seeded-random.js';
import { until } from '../../until.js';
import { type Conditions, conditionsOf } from './conditions.js';
import { Position } from './position.js';
import { Publisher } from './publisher.js';
import { type Kind, Reader } from './reader.js';
import { addCounts, type Counts, countsOfReaders, countsOfServer, noCounts } from './run-counts.js';
import { Truth } from './truth.js';

const ids = ['a', 'b', 'c/d'];
const withoutHistory = 'none/e';
/** Nobody reads these: they are what others have to make room for. */
const unread = ['n/0', 'n/1', 'n/2', 'n/3', 'n/4'];
const allIds = [...ids, withoutHistory, ...unread];
/** The reader of each transport. */
const audiences = [['a'], ['a'], ['b'], ['c/d', 'a'], ids, [withoutHistory], ['b', withoutHistory]];
const stepsPerRound = 300;
/** One in so many rounds ends with another server in the same place. */
const roundsPerRestart = 6;
/**
 * One in so many has more for one id, in one turn, than sockets take; or nothing for so long that all that is kept is
 * too old.
 */
const roundsPerFlood = 4;
const roundsPerSilence = 12;
const floodsMax = 5;

export interface ModelRun {
  seed: number;
  forMs: number;
  say: (line: string) => void;
  /** Another `encke start` than this tree's, for breaking it. */
  program?: string;
}

interface World {
  readonly conditions: Conditions;
  gateway: GatewayProcess;
  truth: Truth;
  publisher: Publisher;
  readonly readers: Reader[];
  readonly random: SeededRandom;
  readonly faults: string[];
  counts: Counts;
}

/** Readers of all transports that do what they like, and in between are calm, when nothing may be missing. */
export async function runModel({
  seed,
  forMs,
  say,
  program,
}: ModelRun): Promise<{ faults: string[]; counts: Counts }> {
  const random = new SeededRandom(seed);
  const conditions = conditionsOf(random);
  say(`seed ${seed}, ${conditions.text}`);
  const start = (more: string[]) =>
    startGateway({ flags: [...conditions.flags, ...more], ...(program !== undefined && { program }) });
  const gateway = await start(await lastingPort());
  const truth = new Truth(allIds, conditions.bounds);
  const world: World = {
    ...{ conditions, gateway, truth, random, readers: [], faults: [], counts: noCounts },
    publisher: new Publisher(gateway, random, truth),
  };
  try {
    await addReaders(world);
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs && world.faults.length === 0) {
      await oneRound(world);
      const due = conditions.strain === 'restarts' && world.counts.rounds === 1;
      if (world.faults.length > 0 || (!due && !random.chance(1 / roundsPerRestart))) continue;
      world.counts = addCounts(world.counts, { restarts: 1 });
      await restart(world, new Truth(allIds, conditions.bounds), start);
    }
    world.counts = addCounts(world.counts, await countsOfServer(world.gateway));
    world.counts = addCounts(world.counts, { published: world.truth.published });
    world.counts = addCounts(world.counts, countsOfReaders(world.readers));
    say(JSON.stringify(world.counts));
    if (world.gateway.log !== '') world.faults.push(`logged: ${world.gateway.log}`);
    if (world.faults.length === 0) await leave(world);
  } finally {
    world.publisher.close();
    await world.gateway.kill();
  }
  return world;
}

async function addReaders(world: World): Promise<void> {
  const kinds: Kind[] = ['poll', 'ndjson', 'sse'];
  for (const kind of kinds) {
    for (const some of audiences) {
      const query = some.map((id) => `id=${id}`).join('&');
      const answer = await ask(world.gateway.port, `/poll?${query}&timeout=0`);
      const name = `${kind} ${world.readers.length} of ${some}`;
      const fault = (what: string) => world.faults.push(`${name} ${what}`);
      const cursor = answer.header('Encke-Cursor');
      world.readers.push(
        new Reader(name, kind, new Position(some, cursor, kind === 'poll', world.truth, fault)),
      );
    }
  }
}

async function oneRound(world: World): Promise<void> {
  const { random, conditions, faults, counts } = world;
  const first = counts.rounds === 0;
  if (conditions.strain === 'drops' && (first || random.chance(1 / roundsPerFlood))) await flood(world);
  if (conditions.strain === 'bytes' && first) world.publisher.batch([ids[0]!], 55, 60_000);
  for (let step = 0; step < stepsPerRound && faults.length === 0; step++) await oneStep(world);
  if (conditions.strain === 'age' && (first || random.chance(1 / roundsPerSilence))) await silence(world);
  if (faults.length === 0) await calm(world);
  world.counts = addCounts(world.counts, { rounds: 1 });
}

/**
 * More in one turn than the system takes for a stream that reads nothing, which is 4 to 10 MB; again until some of it
 * is lost.
 */
async function flood({ random, publisher, truth, readers, gateway }: World): Promise<void> {
  const streams = readers.filter(({ kind }) => kind !== 'poll');
  for (const reader of streams) {
    reader.resume();
    if (reader.state === 'away') void reader.connect(gateway.port, truth);
  }
  await until('all are there', () => streams.every(({ begun }) => begun));
  for (const reader of streams) if (random.chance(0.3)) reader.stall();
  const stalled = random.pick(streams);
  stalled.stall();
  const id = random.pick(stalled.position.ids);
  const { lost } = (await gateway.stats()).messages;
  for (let n = 0; n < floodsMax && (await gateway.stats()).messages.lost === lost; n++) {
    await until('it is free', () => !truth.busy.has(id));
    publisher.batch([id], 120, 60_000);
  }
  await until('they are sent', () => !truth.busy.has(id));
}

/** Until all that was kept is too old, and gone. */
async function silence({ truth, gateway, faults }: World): Promise<void> {
  await until('all is sent', () => truth.busy.size === 0);
  const nothingKept = async () => (await gateway.stats()).router.history.ids === 0;
  await until('nothing is kept', nothingKept, truth.bounds.ageMs + 10_000).catch(() => {
    faults.push('something is kept for too long');
  });
  truth.noteAllGone();
}

async function oneStep({ random, gateway, truth, publisher, readers }: World): Promise<void> {
  const reader = random.pick(readers);
  const kind = random.below(1000);
  if (kind < 400) publisher.one(random.pick(allIds));
  else if (kind < 480) publisher.batch(allIds, 1 + random.below(random.pick([5, 60, 300])), 10);
  else if (kind < 490) publisher.batch([random.pick(ids)], 55, 60_000);
  else if (kind < 700 && reader.state === 'away') void reader.connect(gateway.port, truth);
  else if (kind < 800 && reader.state !== 'away') reader.drop(random.pick(['reset', 'end']));
  else if (kind < 850) reader.stall();
  else if (kind < 920) reader.resume();
  if (random.chance(0.3)) await new Promise(setImmediate);
  if (random.chance(0.15)) await new Promise((resolve) => setTimeout(resolve, random.below(5)));
}

/** All come back and read on: each has all there is then, less what it was told. */
async function calm({ gateway, truth, readers, faults, conditions }: World): Promise<void> {
  const settled = () => {
    if (faults.length > 0) return true;
    for (const reader of readers) {
      reader.resume();
      if (reader.state === 'away') void reader.connect(gateway.port, truth);
    }
    return truth.busy.size === 0 && readers.every((reader) => reader.position.missing() === 0);
  };
  await until('all have all', settled, 20_000).catch(() => undefined);
  if (truth.busy.size > 0) faults.push(`a publication to ${[...truth.busy]} is not acknowledged`);
  for (const { name, position, state } of readers) {
    const missing = position.missing();
    if (missing !== 0) faults.push(`${name} lacks ${missing}, with cursor ${position.cursor}, ${state}`);
  }
  const { bytes } = (await gateway.stats()).router.history;
  if (bytes > conditions.bounds.bytesMax) faults.push(`${bytes} bytes are kept`);
}

/** Another server at the same port, with another epoch; whoever was connected is closed by the first. */
async function restart(world: World, truth: Truth, start: (flags: string[]) => Promise<GatewayProcess>) {
  const { gateway, random, readers, faults } = world;
  world.counts = addCounts(world.counts, await countsOfServer(gateway));
  world.counts = addCounts(world.counts, { published: world.truth.published });
  world.publisher.close();
  await gateway.kill(random.pick(['SIGTERM', 'SIGKILL']));
  if (gateway.log !== '') faults.push(`logged: ${gateway.log}`);
  await until('all know', () => readers.every(({ state }) => state !== 'connected'));
  for (const reader of readers) reader.drop('end');
  world.gateway = await start(['--port', String(gateway.port)]);
  world.truth = truth;
  world.publisher = new Publisher(world.gateway, random, truth);
  // Before anybody comes back, so that all are told.
  const { gateway: now } = world;
  for (const reader of readers) void reader.connect(now.port, truth);
  await until('all are told', () => readers.every(({ position }) => position.isIn(truth)), 20_000).catch(
    () => {
      for (const { name, position } of readers)
        if (!position.isIn(truth)) faults.push(`${name} is not told that the server is another`);
    },
  );
}

/** Nothing may stay of anybody. */
async function leave({ gateway, publisher, readers, faults }: World): Promise<void> {
  for (const reader of readers) reader.drop('end');
  publisher.close();
  const nothingLeft = async () => {
    const { router, connections } = await gateway.stats();
    return router.logins + router.subscribers + connections.open === 0;
  };
  await until('nobody is left', nothingLeft).catch(async () => {
    faults.push(`left over: ${JSON.stringify((await gateway.stats()).connections)}`);
  });
}
