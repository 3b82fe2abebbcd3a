import { ask } from '../../gateway/raw-wire.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { SeededRandom } from '../../seeded-random.js';
import { until } from '../../until.js';
import { Position } from './position.js';
import { Publisher } from './publisher.js';
import { type Kind, Reader } from './reader.js';
import { Truth } from './truth.js';

const ids = ['a', 'b', 'c/d'];
const stepsPerRound = 300;
/** One in so many rounds ends with another server in the same place. */
const roundsPerRestart = 6;

export interface ModelRun {
  seed: number;
  forMs: number;
  say: (line: string) => void;
  /** Another `encke start` than this tree's, for breaking it. */
  program?: string;
}

interface World {
  gateway: GatewayProcess;
  truth: Truth;
  publisher: Publisher;
  readonly readers: Reader[];
  readonly random: SeededRandom;
  readonly faults: string[];
}

/** Readers of all transports that do what they like, and in between are calm, when nothing may be missing. @returns faults */
export async function runModel({ seed, forMs, say, program }: ModelRun): Promise<string[]> {
  const random = new SeededRandom(seed);
  const kept = random.pick([10, 100, 100]);
  const pending = random.pick([65_536, 1_048_576, 16_777_216]);
  const policy = random.pick(['disconnect', 'disconnect', 'drop-newest', 'drop-oldest']);
  say(`seed ${seed}, ${kept} kept of an id, ${pending} bytes pending, then ${policy}`);
  const flags = [
    ...['--log-level', 'error', '--drain-sec', '0', '--heartbeat-sec', '1'],
    ...['--history-rules', `# ${kept} 86400`, '--pending-bytes-max', String(pending)],
    ...['--slow-consumer-policy', policy],
  ];
  const start = (more: string[]) =>
    startGateway({ flags: [...flags, ...more], ...(program !== undefined && { program }) });
  const gateway = await start([]);
  const truth = new Truth(ids, kept);
  const world: World = {
    ...{ gateway, truth, random, readers: [], faults: [] },
    publisher: new Publisher(gateway, random, truth),
  };
  let rounds = 0;
  let restarts = 0;
  let published = 0;
  try {
    await addReaders(world);
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs && world.faults.length === 0) {
      for (let step = 0; step < stepsPerRound && world.faults.length === 0; step++) await oneStep(world);
      if (world.faults.length === 0) await calm(world);
      rounds++;
      if (world.faults.length > 0 || !random.chance(1 / roundsPerRestart)) continue;
      restarts++;
      published += world.publisher.published;
      await restart(world, new Truth(ids, kept), start);
    }
    published += world.publisher.published;
    say(JSON.stringify({ rounds, restarts, published, ...countsOf(world.readers) }));
    if (world.gateway.log !== '') world.faults.push(`logged: ${world.gateway.log}`);
    if (world.faults.length === 0) await leave(world);
  } finally {
    world.publisher.close();
    await world.gateway.kill();
  }
  return world.faults;
}

async function addReaders(world: World): Promise<void> {
  const kinds: Kind[] = ['poll', 'ndjson', 'sse'];
  for (const kind of kinds) {
    for (const some of [['a'], ['a'], ['b'], ['c/d', 'a'], ids]) {
      const query = some.map((id) => `id=${id}`).join('&');
      const { header } = await ask(world.gateway.port, `/poll?${query}&timeout=0`).then((answer) => ({
        header: answer.header('Encke-Cursor')!,
      }));
      const name = `${kind} ${world.readers.length} of ${some}`;
      const fault = (what: string) => world.faults.push(`${name} ${what}`);
      world.readers.push(new Reader(name, kind, new Position(some, header, world.truth, fault)));
    }
  }
}

async function oneStep({ random, gateway, truth, publisher, readers }: World): Promise<void> {
  const reader = random.pick(readers);
  const kind = random.below(1000);
  if (kind < 400) publisher.one(random.pick(ids));
  else if (kind < 480) publisher.batch(ids, 1 + random.below(random.pick([5, 60, 300])), 10);
  else if (kind < 490) publisher.batch([random.pick(ids)], 55, 60_000);
  else if (kind < 700 && reader.state === 'away') void reader.connect(gateway.port, truth);
  else if (kind < 800 && reader.state !== 'away') reader.drop(random.pick(['reset', 'end']));
  else if (kind < 850) reader.stall();
  else if (kind < 920) reader.resume();
  if (random.chance(0.3)) await new Promise(setImmediate);
  if (random.chance(0.15)) await new Promise((resolve) => setTimeout(resolve, random.below(5)));
}

/** All come back and read on: each has all there is then, less what it was told. */
async function calm({ gateway, truth, readers, faults }: World): Promise<void> {
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
}

/** Another server at the same port, with another epoch; whoever was connected is closed by the first. */
async function restart(world: World, truth: Truth, start: (flags: string[]) => Promise<GatewayProcess>) {
  const { gateway, random, readers, faults } = world;
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

function countsOf(readers: readonly Reader[]) {
  const sum = (key: 'messages' | 'answers' | 'unrecovered' | 'lost' | 'closedByServer') =>
    readers.reduce((sum, reader) => sum + reader[key], 0);
  return {
    received: sum('messages'),
    polls: sum('answers'),
    unrecovered: sum('unrecovered'),
    lost: sum('lost'),
    closedByServer: sum('closedByServer'),
  };
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
