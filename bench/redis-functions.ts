import { once } from 'node:events';
import { connect } from 'node:net';
import type { Redis } from 'ioredis';
import { Library } from '../router/engine/redis/library.js';
import { RedisServer } from '../test/redis-server.js';

/**
 * What does a message cost Redis? µs of CPU of its main thread a message, in the functions that nodes call: one by one (100 to
 * 200 calls under way), and in batches; with and without history; for ids of 1, 3 and 8 levels; and what it costs to find which
 * filters somebody has. Then the memory of an id.
 *
 *     npm run build && node dist/bench/redis-functions.js
 */

const ids = 10_000;
const run = 'a'.repeat(16);
const body = `\0${'x'.repeat(64)}`;
/** Calls under way, in messages. */
const windowMax = 200;

const server = await RedisServer.start({
  ...(process.argv[2] === undefined ? {} : { cpu: Number(process.argv[2]) }),
});
const redis = server.client();
const library = new Library('encke');
await library.load(redis);
const begin = ['begin', run, 1, 0, 0, 1, 'c1', '[["#",100,60000]]', '{}'];
const reply = (await fcall(redis, begin)) as number[];
let number = reply[0]!;

console.log(`Redis ${/redis_version:(\S+)/.exec(await redis.info())![1]}, ${ids} ids, 64 B`);
for (const history of [true, false]) {
  for (const batch of [1, 20, 64]) await measureMessages({ history, batch, levels: 1 });
}
for (const levels of [3, 8]) {
  for (const batch of [1, 20]) await measureMessages({ history: true, batch, levels });
}
await measureInScript();
await measureMemory();
await server.stop();

async function measureMessages(how: { history: boolean; batch: number; levels: number }): Promise<void> {
  const { history, batch, levels } = how;
  const crowd = Array.from({ length: ids }, (_, n) => idOf(n, levels));
  const subscriber = server.client();
  for (let i = 0; i < ids; i += 1_000) {
    await subscriber.subscribe(...crowd.slice(i, i + 1_000).map((id) => `encke:i:${id}`));
  }
  const calls = (count: number) =>
    Array.from({ length: Math.floor(count / batch) }, () => {
      const messages = Array.from({ length: batch }, () => [
        next(crowd),
        history ? '100:60000' : '',
        '\0',
        body,
        '',
      ]);
      return encode(['FCALL', `${library.prefix}publish`, 0, run, 1, ++number, 4e12, ...messages.flat()]);
    });
  await send(calls(20_000), batch); // warm
  const measured = calls(100_000);
  const startedUs = await cpuUs();
  await send(measured, batch);
  const us = ((await cpuUs()) - startedUs) / (measured.length * batch);
  subscriber.disconnect();
  console.log(
    `${history ? 'with history' : 'without'}, ${levels} level${levels === 1 ? '' : 's'}, ${batch === 1 ? 'one by one' : `batches of ${batch}`}: ${us.toFixed(1)} µs`,
  );
}

/** Commands that one script calls 20,000 times. */
async function measureInScript(): Promise<void> {
  const channels = (levels: number) =>
    Array.from({ length: levels + 1 }, (_, i) => `'encke:f:${'level/'.repeat(i)}'`).join(', ');
  const cases: [string, string][] = [
    ['sha1hex of an id', `redis.sha1hex('user/123456/inbox')`],
    ...[1, 3, 8].flatMap((levels): [string, string][] => [
      [`${levels} levels, PUBSUB NUMSUB of all`, `redis.call('PUBSUB', 'NUMSUB', ${channels(levels)})`],
      [
        `${levels} levels, PUBLISH to each`,
        `for _, channel in ipairs({ ${channels(levels)} }) do redis.call('PUBLISH', channel, ARGV[1]) end`,
      ],
    ]),
  ];
  for (const [name, code] of cases) {
    const script = `for i = 1, 20000 do ${code} end`;
    await redis.eval(script, 0, body);
    const startedUs = await cpuUs();
    await redis.eval(script, 0, body);
    console.log(`${name}: ${(((await cpuUs()) - startedUs) / 20_000).toFixed(2)} µs`);
  }
}

async function measureMemory(): Promise<void> {
  for (const messages of [1, 10, 100]) {
    await redis.flushall();
    const { 0: last } = (await fcall(redis, begin)) as number[];
    number = last!;
    const beforeBytes = await usedBytes();
    const crowd = Array.from({ length: ids }, (_, n) => idOf(n, 1));
    for (let i = 0; i < messages; i++) {
      const calls: string[] = [];
      for (let at = 0; at < ids; at += 50) {
        const batch = crowd.slice(at, at + 50).flatMap((id) => [id, '100:60000', '\0', body, '']);
        calls.push(encode(['FCALL', `${library.prefix}publish`, 0, run, 1, ++number, 4e12, ...batch]));
      }
      await send(calls, 50);
    }
    console.log(
      `an id with ${messages} messages: ${Math.round(((await usedBytes()) - beforeBytes) / ids)} B`,
    );
  }
  await redis.flushall();
  const beforeBytes = await usedBytes();
  const subscriber = server.client();
  for (let i = 0; i < ids; i += 1_000) {
    await subscriber.subscribe(...Array.from({ length: 1_000 }, (_, n) => `encke:i:${idOf(i + n, 1)}`));
  }
  console.log(`a subscribed id: ${Math.round(((await usedBytes()) - beforeBytes) / ids)} B`);
  subscriber.disconnect();
}

function idOf(n: number, levels: number): string {
  return `${Array.from({ length: levels - 1 }, (_, i) => `level${i}/`).join('')}id${n}`;
}

function fcall(client: Redis, [name, ...args]: (string | number)[]): Promise<unknown> {
  return client.call('FCALL', `${library.prefix}${name}`, 0, ...args);
}

function next(crowd: readonly string[]): string {
  return crowd[Math.floor(Math.random() * crowd.length)]!;
}

function encode(args: readonly (string | number)[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`).join('')}`;
}

/** In pipelines, without a client in between that would cost more than the server. */
async function send(calls: readonly string[], batch: number): Promise<void> {
  const socket = connect(server.port, '127.0.0.1').setEncoding('latin1');
  await once(socket, 'connect');
  let at = 0;
  let answered = 0;
  await new Promise<void>((resolve, reject) => {
    const pump = () => {
      if (at - answered > windowMax / batch / 2) return;
      let text = '';
      while (at < calls.length && at - answered < Math.max(1, windowMax / batch)) text += calls[at++];
      if (text !== '') socket.write(text);
    };
    socket.on('data', (data: string) => {
      const error = /-[A-Z]+ .*/.exec(data);
      if (error !== null) return reject(new Error(error[0]));
      answered += data.split('*').length - 1;
      if (answered >= calls.length) resolve();
      else pump();
    });
    pump();
  });
  socket.destroy();
}

async function cpuUs(): Promise<number> {
  const info = await redis.info('cpu');
  const of = (field: string) => Number(new RegExp(`${field}:([\\d.]+)`).exec(info)![1]);
  return (of('used_cpu_user_main_thread') + of('used_cpu_sys_main_thread')) * 1e6;
}

async function usedBytes(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1]);
}
