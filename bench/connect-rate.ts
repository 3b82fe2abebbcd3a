/**
 * The question: what does authentication cost a CONNECT? Three gateways, without authentication, with tokens (JWT) that it
 * knows from before, and with users in Redis that it has to ask for each time, take turns in each round: connects a second
 * as fast as they come, and the time from CONNECT to CONNACK at a steady pace. The gateways are on core 0, the clients and
 * Redis on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/connect-rate.js --rounds 7 --connects 5000 --pace 300
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { storedPasswordOf } from '../access/stored-password.js';
import { UserStore } from '../access/user-store.js';
import { generatedUser } from '../cli/users/generated-users.js';
import { serverUsage } from '../floodtest/server-usage.js';
import { secret, sign } from '../test/access/tokens.js';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { connectPacket } from '../test/mqtt-bytes.js';
import { RedisServer } from '../test/redis-server.js';
import { MqttConnects, percentile } from './mqtt-connects.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    connects: { type: 'string', default: '5000' },
    pace: { type: 'string', default: '300' },
    rules: { type: 'string', default: '20' },
    'at-once': { type: 'string', default: '50' },
  },
});
const [rounds, connects, pace, rulesEach, atOnceMax] = [
  values.rounds,
  values.connects,
  values.pace,
  values.rules,
  values['at-once'],
].map(Number) as [number, number, number, number, number];

interface Side {
  readonly name: string;
  readonly gateway: GatewayProcess;
  readonly packetOf: (n: number) => Buffer;
  readonly figures: { perSec: number; cpuUs: number; redisUs: number; p50Ms: number; p99Ms: number }[];
}

let clients = 0;
const directory = mkdtempSync(join(tmpdir(), 'encke-connect-rate-'));
const redis = await RedisServer.start({ cpu: 1 });
await writeUsers();
const sides = [await withoutAuthentication(), await withTokens(), await withRedis()];
console.log(
  `Node ${process.version}; ${rounds} rounds of ${connects} connects each, ${atOnceMax} at once, ${rulesEach} rules a user in Redis`,
);
// Code is compiled, which takes thousands, and tokens are known.
for (const { gateway, packetOf } of sides) {
  const options = { count: 3 * connects, atOnceMax, packetOf: (n: number) => packetOf(n % connects) };
  await new MqttConnects(gateway.port).run(options);
}
for (let round = 0; round < rounds; round++) {
  // The order of the sides turns with each round, so that each side is the first one now and then.
  for (let n = 0; n < sides.length; n++) await measure(sides[(round + n) % sides.length]!);
  process.stderr.write(`round ${round + 1}/${rounds}\n`);
}
report();
for (const { gateway } of sides) await gateway.kill();
await redis.stop();
rmSync(directory, { recursive: true });
process.exit();

async function writeUsers(): Promise<void> {
  const store = new UserStore(redis.client(), 'mqtt_user:%u', 'mqtt_acl:%u');
  const plan = {
    count: connects,
    userNames: 'device{n}',
    topics: 'topic/device{n}/t_{m}',
    rulesEach,
    password: undefined,
  };
  for (let from = 0; from < connects; from += 500) {
    const users = Array.from({ length: Math.min(500, connects - from) }, async (_, n) => {
      const { password, ...user } = generatedUser(plan, from + n);
      return { ...user, stored: await storedPasswordOf('plain', password!) };
    });
    await store.replace(await Promise.all(users));
  }
}

async function withoutAuthentication(): Promise<Side> {
  const gateway = await start([]);
  const packetOf = (n: number) =>
    connectPacket(clientId(), { userName: `device${n}`, password: `device${n}` });
  return { name: 'without', gateway, packetOf, figures: [] };
}

async function withTokens(): Promise<Side> {
  const file = join(directory, 'secret');
  writeFileSync(file, secret);
  const gateway = await start(['--auth', 'jwt', '--auth-jwt-secret-file', file, '--auth-cache-sec', '3600']);
  const tokens = await Promise.all(
    Array.from({ length: connects }, (_, n) =>
      sign({
        sub: `device${n}`,
        subs: ['topic/%u/#'],
        pubs: ['topic/%u/#'],
        exp: Math.floor(Date.now() / 1000) + 86_400,
      }),
    ),
  );
  const packetOf = (n: number) => connectPacket(clientId(), { userName: `device${n}`, password: tokens[n]! });
  return { name: 'JWT, known', gateway, packetOf, figures: [] };
}

async function withRedis(): Promise<Side> {
  const gateway = await start(['--auth', 'redis', '--auth-redis', redis.url, '--auth-cache-sec', '0']);
  const packetOf = (n: number) =>
    connectPacket(clientId(), { userName: `device${n}`, password: `device${n}` });
  return { name: 'Redis, each asked', gateway, packetOf, figures: [] };
}

/** A new one each time: a client id that comes again and again is held off. */
function clientId(): string {
  return `client-${clients++}`;
}

function start(flags: string[]): Promise<GatewayProcess> {
  return startGateway({ cpu: 0, flags: [...flags, '--log-level', 'error', '--mqtt-presence', 'false'] });
}

async function measure({ name, gateway, packetOf, figures }: Side): Promise<void> {
  const crowd = new MqttConnects(gateway.port);
  const [cpuBefore, redisBefore] = [gateway.cpuSec, cpuOf(redis.pid)];
  const fast = await crowd.run({ count: connects, atOnceMax, packetOf });
  const cpuUs = ((gateway.cpuSec - cpuBefore) * 1e6) / connects;
  const redisUs = ((cpuOf(redis.pid) - redisBefore) * 1e6) / connects;
  const paced = await crowd.run({
    count: Math.min(connects, pace * 5),
    atOnceMax: 200,
    ratePerSec: pace,
    packetOf,
  });
  if (fast.refused + paced.refused > 0) throw new Error(`${name}: ${fast.refused + paced.refused} refused`);
  const { connackMs } = paced;
  figures.push({
    perSec: connects / fast.seconds,
    cpuUs,
    redisUs,
    p50Ms: percentile(connackMs, 50),
    p99Ms: percentile(connackMs, 99),
  });
}

function cpuOf(pid: number): number {
  return serverUsage([pid])!.cpuSec;
}

function report(): void {
  console.log(
    '                  | connects/s: median, min, max | beside without | µs of gateway | beside without | µs of Redis | CONNACK p50, p99 ms',
  );
  const [without] = sides;
  for (const { name, figures } of sides) {
    const of = (key: 'perSec' | 'cpuUs' | 'redisUs' | 'p50Ms' | 'p99Ms') =>
      figures.map((figure) => figure[key]);
    const ratios = figures.map(({ perSec }, n) => perSec / without!.figures[n]!.perSec);
    const cpuRatios = figures.map(({ cpuUs }, n) => without!.figures[n]!.cpuUs / cpuUs);
    const rates = [median(of('perSec')), Math.min(...of('perSec')), Math.max(...of('perSec'))];
    console.log(
      [
        name.padEnd(17),
        rates.map((rate) => rate.toFixed(0).padStart(6)).join(', '),
        median(ratios).toFixed(2),
        median(of('cpuUs')).toFixed(0),
        median(cpuRatios).toFixed(2),
        median(of('redisUs')).toFixed(0),
        `${median(of('p50Ms')).toFixed(2)}, ${median(of('p99Ms')).toFixed(2)}`,
      ].join(' | '),
    );
  }
}

function median(values: number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)]!;
}
