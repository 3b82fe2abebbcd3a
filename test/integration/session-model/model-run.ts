import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { SeededRandom } from '../../seeded-random.js';
import { until } from '../../until.js';
import { ModelClient } from './model-client.js';
import { World } from './world.js';

/** Settings without losses: no limit is ever reached, so every loss is a fault. */
const generous = [
  ['--log-level', 'error'],
  ['--mqtt-max-mqueue', '1000000'],
  ['--mqtt-max-awaiting-rel', '65535'],
  ['--mqtt-await-rel-timeout', '86400'],
  ['--pending-bytes-max', '200000000'],
  ['--pending-bytes-total-max', '200000000'],
].flat();

const clientIds = ['ada', 'bob', 'eve', 'joe', 'kim', 'lea'];
const stepsPerRound = 400;

export interface ModelRun {
  seed: number;
  forMs: number;
  say: (line: string) => void;
  /** Another `encke start` than this tree's, for breaking it. */
  program?: string;
}

/** Clients that do what they like, and in between are calm, when everything must have come to rest. @returns faults */
export async function runModel({ seed, forMs, say, program }: ModelRun): Promise<string[]> {
  const random = new SeededRandom(seed);
  const maxInflight = random.pick([1, 2, 5, 32]);
  const retryIntervalSec = random.pick([0, 0, 1]);
  const limits = [
    '--mqtt-max-inflight',
    String(maxInflight),
    '--mqtt-retry-interval',
    String(retryIntervalSec),
  ];
  say(`seed ${seed}, window of ${maxInflight}, retry after ${retryIntervalSec} s`);
  const gateway = await startGateway({
    flags: [...generous, ...limits],
    ...(program !== undefined && { program }),
  });
  const world = new World(gateway.port, random, { repeatsWhileConnected: retryIntervalSec > 0, maxInflight });
  const clients = clientIds.map((clientId) => new ModelClient(clientId, world));
  const endMs = performance.now() + forMs;
  let rounds = 0;
  try {
    while (performance.now() < endMs && world.faults.length === 0) {
      for (let step = 0; step < stepsPerRound && world.faults.length === 0; step++)
        await oneStep(world, clients);
      if (world.faults.length === 0) await calm(gateway, world, clients);
      if (++rounds % 50 === 0) say(`${rounds} rounds, ${JSON.stringify(world.counts)}`);
    }
    say(`${rounds} rounds, ${JSON.stringify(world.counts)}`);
    if (world.faults.length === 0) await leave(gateway, world, clients);
    if (gateway.log !== '') world.fault(`logged: ${gateway.log}`, []);
  } finally {
    world.over = true;
    await gateway.kill();
  }
  return world.faults;
}

async function oneStep(world: World, clients: ModelClient[]): Promise<void> {
  const { random } = world;
  world.counts.steps++;
  const client = random.pick(clients);
  if (client.state === 'away' && random.chance(0.6)) client.connect(random.chance(0.15));
  else if (client.state === 'connected') act(random, client);
  if (random.chance(0.5)) await new Promise(setImmediate);
  // Time for what is under way to arrive; without it all would happen at once.
  if (random.chance(0.1)) await new Promise((resolve) => setTimeout(resolve, random.below(4)));
}

function act(random: SeededRandom, client: ModelClient): void {
  const kind = random.below(100);
  if (kind < 50) for (let count = 1 + random.below(5); count > 0; count--) client.publish();
  else if (kind < 65) client.subscribeToAny();
  else if (kind < 83) client.acknowledge(1 + random.below(5));
  else if (kind < 90) client.manner = random.pick(['prompt', 'slow', 'slow', 'mute']);
  else if (kind < 94) client.drop(random.pick(['reset', 'end']));
  else if (kind < 96) client.disconnect();
  else client.connect(random.chance(0.1));
}

/** All come back, say what they owe and finish what they have begun: then nothing may be missing, and nothing left. */
async function calm(gateway: GatewayProcess, world: World, clients: ModelClient[]): Promise<void> {
  const settled = async () => {
    if (world.faults.length > 0) return true;
    for (const client of clients) goOn(client);
    return (
      clients.every((client) => client.quiet && client.inbox.settled && !missed(world, client)) &&
      (await idle(gateway))
    );
  };
  await until('all is through', settled, 10_000).catch(() => undefined);
  if (world.faults.length > 0) return;
  for (const client of clients) client.ping();
  await until('all pings are answered', () => clients.every(({ quiet }) => quiet)).catch(() => undefined);
  const now = world.now();
  for (const client of clients) {
    if (!client.quiet) client.fault('is not answered');
    const lost = missed(world, client);
    if (lost !== undefined) client.fault(`${lost.text} (${lost.topic}, QoS ${lost.qos}) is lost`);
    for (const what of client.inbox.unsettled()) client.fault(what);
    client.outbox.settle(now);
    client.inbox.settle(now);
    client.manner = world.random.pick(['prompt', 'slow', 'mute']);
  }
  if (!(await idle(gateway))) world.fault(`left over: ${JSON.stringify((await gateway.stats()).mqtt)}`, []);
  world.publications.clear();
}

function goOn(client: ModelClient): void {
  client.manner = 'prompt';
  if (client.state === 'away') client.connect(false);
  if (client.state === 'connected') client.acknowledge(1000);
}

function missed(world: World, { inbox }: ModelClient) {
  for (const publication of world.publications.values()) if (inbox.misses(publication)) return publication;
  return undefined;
}

/** Nothing in any window or queue, and nothing was thrown away where no session ended. */
async function idle(gateway: GatewayProcess): Promise<boolean> {
  const { sessions } = (await gateway.stats()).mqtt;
  const { 'mqueue-full': full, 'sessions-bytes': bytes, connection } = sessions.dropped;
  return sessions.bytes === 0 && sessions.busy === 0 && full + bytes + connection === 0;
}

/** Clean connections discard all sessions: nothing of them may stay. */
async function leave(gateway: GatewayProcess, world: World, clients: ModelClient[]): Promise<void> {
  for (const client of clients) client.connect(true);
  await until('all are connected', () => clients.every(({ state }) => state === 'connected'));
  for (const client of clients) client.disconnect();
  const nothingLeft = async () => {
    const { mqtt, router, connections } = await gateway.stats();
    return mqtt.sessions.sessions + router.logins + router.filters + connections.open === 0;
  };
  await until('nobody is left', nothingLeft).catch(async () =>
    world.fault(`left over: ${JSON.stringify(await gateway.stats())}`, []),
  );
}
