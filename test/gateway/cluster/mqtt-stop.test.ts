import t from 'tap';
import { puback } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { connectRaw, tryRaw } from '../mqtt/raw-client.js';
import { nodeStats } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';
import { startWorkers } from './workers.js';

/** A node that stops leaves the sessions of clients that are away to the others, on Redis. */

const away = 1_000;
const mqttOf = async (node: GatewayProcess) => (await nodeStats(node)).mqtt;

async function leaveSessions(t: Parameters<typeof connectRaw>[0], node: GatewayProcess): Promise<void> {
  for (let n = 0; n < away; n += 50) {
    await Promise.all(
      Array.from({ length: 50 }, async (_, m) => {
        const client = await connectRaw(t, node, { clientId: `away-${n + m}`, clean: false });
        await client.subscribe(`to/${n + m}`, 1);
        await client.drop();
      }),
    );
  }
}

t.test(
  '1,000 sessions of a node that is stopped are found elsewhere, with what is sent meanwhile',
  async (t) => {
    const redis = await redisServer(t);
    const flags = ['--mqtt-max-pending-connects-per-address', '0'];
    const [a, b, c] = (await startRedisNodes(t, [redis.url], ['a', 'b', 'c'], flags)) as GatewayProcess[];
    await leaveSessions(t, a!);
    await until('they are away', async () => (await mqttOf(a!)).sessions.connected === 0);
    for (let n = 0; n < away; n += 10) await b!.send(`to/${n}?qos=1`, 'before');
    const stopped = a!.kill('SIGTERM');
    let sent = 0;
    let isOver = false;
    const sending = (async () => {
      for (let n = 0; !isOver; n = (n + 10) % away, sent++) await b!.send(`to/${n}?qos=1`, `${sent}`);
    })();
    t.equal(await stopped, 0);
    isOver = true;
    await sending;
    t.match(a!.log, /"adopted":1000,"lost":0,"messagesLost":0/);
    const held = await Promise.all([b!, c!].map(async (node) => (await mqttOf(node)).sessions));
    t.equal(held[0].adopted + held[1].adopted, away);
    t.ok(held[0].adopted > 300 && held[1].adopted > 300, 'by turns');
    let found = 0;
    const texts: string[][] = [];
    for (let n = 0; n < away; n += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, m) => {
          const options = { clientId: `away-${n + m}`, clean: false };
          const { client, sessionPresent } = await tryRaw(t, m % 2 === 0 ? b! : c!, options);
          if (sessionPresent) found++;
          const messages: string[] = [];
          for (const packet of await client.untilPong()) {
            if (packet.type !== 'PUBLISH') continue;
            messages.push(packet.payload);
            client.send(puback(packet.id!));
          }
          if (messages.length > 0) texts.push(messages);
          await client.disconnect();
        }),
      );
    }
    t.equal(found, away);
    t.equal(texts.length, away / 10);
    t.ok(texts.every(([first]) => first === 'before'));
    const numbers = texts.map(([, ...rest]) => rest.map(Number));
    t.ok(
      numbers.every((list) => list.every((n, at) => at === 0 || n > list[at - 1]!)),
      'in order',
    );
    const all = numbers.flat().sort((x, y) => x - y);
    t.same(
      all,
      Array.from({ length: sent }, (_, n) => n),
      `each of ${sent} messages once`,
    );
  },
);

t.test('sessions that no node takes are counted and logged', async (t) => {
  const redis = await redisServer(t);
  const [only] = (await startRedisNodes(t, [redis.url], ['only'])) as GatewayProcess[];
  const client = await connectRaw(t, only!, { clientId: 'x', clean: false });
  await client.subscribe('x', 1);
  await client.drop();
  await only!.send('x?qos=1', 'lost');
  await only!.kill('SIGTERM');
  t.match(only!.log, /"adopted":0,"lost":1,"messagesLost":1.*are lost, as no other node took them/);
});

t.test('20 reconnects over three workers: what is sent meanwhile comes, in order', async (t) => {
  const redis = await redisServer(t);
  const supervisor = await startWorkers(t, redis, 3);
  const received: string[] = [];
  for (let round = 0; round <= 20; round++) {
    const { client, sessionPresent } = await tryRaw(t, supervisor, { clientId: 'commuter', clean: false });
    t.equal(sessionPresent, round > 0);
    if (round === 0) await client.subscribe('commuter', 1);
    const due = round === 0 ? 0 : 3;
    for (const { payload, id } of await client.nextPublishes(due)) {
      received.push(payload);
      client.send(puback(id!));
    }
    t.same(await client.untilPong(), []);
    await client.disconnect();
    if (round === 20) break;
    for (let n = 0; n < 3; n++) await supervisor.send('commuter?qos=1', `${3 * round + n}`);
  }
  t.same(
    received,
    Array.from({ length: 60 }, (_, n) => `${n}`),
    '60 of 60',
  );
});
