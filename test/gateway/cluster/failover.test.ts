import t from 'tap';
import { CuttableWay } from '../../cuttable-way.js';
import type { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { cursorNow, numbered, poll, publish } from '../history/ask-poll.js';
import { isSorted, listen, type Sent, send, untilDelivered } from './failure-parts.js';
import { allAnswer, nodeStats } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A replica takes the place of a Redis that is gone: nodes go on there by themselves, and say what may be missing. */

async function roleOf(server: RedisServer): Promise<string | undefined> {
  return /^role:(\w+)/m.exec(await server.client().info('replication'))?.[1];
}

/** All that the master has now is with the replica. */
async function replicated(master: RedisServer, replica: RedisServer): Promise<void> {
  const at = async (server: RedisServer, offset: string) =>
    Number(new RegExp(`^${offset}:(\\d+)`, 'm').exec(await server.client().info('replication'))?.[1]);
  const all = await at(master, 'master_repl_offset');
  await until('the replica has it', async () => (await at(replica, 'slave_repl_offset')) >= all, 30_000);
}

for (const [what, rules] of [
  ['without history', '# 0 0'],
  ['with history', '# 1000 600'],
] as const) {
  t.test(`Sentinel promotes a replica: each answer is true, in order, nothing twice (${what})`, async (t) => {
    const master = await redisServer(t, { appendonly: true });
    const replica = await redisServer(t, { replicaOf: master });
    const sentinel = await redisServer(t, { watches: master });
    const watcher = sentinel.client({ enableReadyCheck: false });
    await until(
      'Sentinel knows the replica',
      async () => ((await watcher.call('SENTINEL', 'REPLICAS', 'mymaster')) as unknown[]).length === 1,
      30_000,
    );
    const flags = ['--redis-sentinels', `127.0.0.1:${sentinel.port}`, '--history-rules', rules];
    flags.push('--mqtt-sys-interval', '0');
    const [a, b] = await startRedisNodes(t, ['redis+sentinel://mymaster'], ['a', 'b'], flags);
    const [atA, atB] = [a!, b!].map((node) => listen(t, node, 'x', { resume: true })) as [never, never];
    const listeners: ReturnType<typeof listen>[] = [atA, atB];
    await untilDelivered(a!, 'x', 2);

    const sent: Sent[] = [];
    let stop = false;
    const publisher = (async () => {
      while (!stop) sent.push(await send(a!, 'x', `${sent.length}`));
    })();
    const taken = () => sent.filter(({ status, delivered }) => status === 200 && delivered === 2).length;
    await until('messages are on their way', () => taken() > 20);
    await replicated(master, replica);
    const killedMs = performance.now();
    const before = taken();
    await master.kill();
    await until('they flow again', () => taken() > before + 20, 60_000);
    t.comment(`after ${Math.round(performance.now() - killedMs)} ms, with ${sent.length} messages`);
    t.equal(await roleOf(replica), 'master');
    for (const node of [a!, b!]) await until('each node is well', () => allAnswer([node], 200));

    await master.restart();
    await until('the old one follows', async () => (await roleOf(master)) === 'slave', 60_000);
    const since = taken();
    await until('and nobody minds', () => taken() > since + 20, 30_000);
    stop = true;
    await publisher;
    await untilDelivered(b!, 'x', 2);
    const last = sent.findLastIndex(({ status }) => status === 200);
    await until('the last is read', () => listeners.every(({ texts }) => texts.includes(`${last}`)));
    for (const { texts, recovered } of listeners) {
      const numbers = texts.filter((text) => text !== 'probe').map(Number);
      t.ok(isSorted(numbers), `${numbers.length} in order, none twice`);
      const arrived = new Set(numbers);
      const wrong = sent.filter(
        ({ status, delivered }, number) =>
          (status === 503 && arrived.has(number)) ||
          (status === 200 && delivered === 2 && !arrived.has(number)),
      );
      t.same(wrong, [], 'what was counted is there, what was refused is not');
      t.same(
        recovered,
        rules === '# 0 0' ? [] : [false],
        'who resumes is told that something may be missing',
      );
    }
    t.same(
      sent.filter(({ status }) => ![200, 503, 504].includes(status)),
      [],
    );
  });
}

t.test('a replica that lags is promoted: what is lost is told, and no place is given twice', async (t) => {
  const master = await redisServer(t);
  const replica = await redisServer(t, { replicaOf: master });
  const way = await CuttableWay.start(master.port);
  t.teardown(() => way.stop());
  const [one, two] = await startRedisNodes(
    t,
    [way.redisUrl],
    ['gw-1', 'gw-2'],
    ['--history-rules', '# 1000 600'],
  );
  const start = await cursorNow(one!.port, '/a');
  await publish(one!, 'a', numbered(20));
  const kept = await cursorNow(one!.port, '/a');
  await replicated(master, replica);
  await replica.client().call('REPLICAOF', 'NO', 'ONE');
  await publish(one!, 'a', numbered(30, 21));
  const lost = await cursorNow(two!.port, '/a');
  way.cut();
  await master.kill();
  way.targetPort = replica.port;
  way.giveBack();
  for (const node of [one!, two!])
    await until('it is back', async () => (await nodeStats(node)).engine.connected);
  await publish(two!, 'a', numbered(30, 51));
  for (const cursor of [start, kept, lost]) {
    for (const node of [one!, two!]) {
      const { recovered, texts } = await poll(node.port, `poll/a?cursor=${cursor}&timeout=0`);
      const before = cursor === start ? numbered(20) : [];
      t.equal(recovered, false);
      t.same(texts.slice(-30), numbered(30, 51));
      t.same(
        texts.slice(0, -30).filter((text) => !before.includes(text)),
        [],
        'nothing old comes as new',
      );
    }
  }
});
