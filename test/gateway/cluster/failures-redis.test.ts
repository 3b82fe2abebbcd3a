import t from 'tap';
import { until } from '../../until.js';
import { isSorted, listen, send, startNode, untilDelivered } from './failure-parts.js';
import { redisServer } from './redis-nodes.js';

t.test(
  'Redis is killed and comes back: sends are refused meanwhile, and nodes join by themselves',
  async (t) => {
    const redis = await redisServer(t);
    const nodes = await Promise.all(['a', 'b'].map((name) => startNode(t, name, redis.url)));
    const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    const ids = Array.from({ length: 30 }, (_, i) => `id/${i}`);
    const many = listen(t, b, ids);
    const [atA, atB] = [listen(t, a, 'x'), listen(t, b, 'x')];
    await untilDelivered(a, 'x', 2);
    await untilDelivered(a, 'id/29', 1);

    await redis.kill();
    await until('it is noticed', async () => (await send(a, 'x', 'away')).status === 503);
    const before = await a.stats();
    for (let i = 0; i < 10; i++) {
      const sent = await send(a, 'x', `away ${i}`);
      t.same([sent.status, sent.delivered], [503, 0]);
      t.match(sent.error, /^Redis at 127\.0\.0\.1:\d+ is away: nobody got it/);
    }
    const after = await a.stats();
    t.equal(after.apiErrors['503'] - before.apiErrors['503'], 10, 'and it is counted');
    t.equal(after.engine.refused - before.engine.refused, 10);
    t.equal(after.engine.connected, false);
    // Changes during the outage are in effect when Redis is back.
    const late = listen(t, b, 'late');
    many.close();
    await until('the new stream is open', () => late.open);

    await redis.restartEmpty();
    const tookMs = await untilDelivered(a, 'x', 2);
    t.comment(`messages flow again ${Math.round(tookMs)} ms after redis-server is back`);
    t.ok(tookMs < 30_000);
    await untilDelivered(a, 'late', 1);
    t.equal((await send(a, 'id/7', 'x')).delivered, 0, 'who has gone meanwhile is gone');
    for (const { texts } of [atA, atB])
      t.notOk(
        texts.some((text) => text.startsWith('away')),
        'nothing of then comes late, on no node',
      );
    for (const node of nodes) {
      t.ok(node.alive);
      t.match(node.log, /redis: lost[\s\S]*redis: back/);
    }
  },
);

for (const [what, restart] of [
  ['with its data', 'restart'],
  ['empty', 'restartEmpty'],
] as const) {
  t.test(
    `killed four times, and comes back ${what}, while messages go on: each answer is true`,
    async (t) => {
      const redis = await redisServer(t, { appendonly: true });
      const [a, b] = await Promise.all(['a', 'b'].map((name) => startNode(t, name, redis.url)));
      const [atA, atB] = [listen(t, a!, 'x'), listen(t, b!, 'x')];
      await untilDelivered(a!, 'x', 2);
      let next = 0;
      const answers = new Map<number, Awaited<ReturnType<typeof send>>>();
      let stop = false;
      const publisher = (async () => {
        while (!stop) {
          const number = next++;
          answers.set(number, await send(a!, 'x', `${number}`));
        }
      })();
      const counted = () =>
        [...answers].filter(([, { status, delivered }]) => status === 200 && delivered === 2).length;
      const refusals = () => [...answers.values()].filter(({ status }) => status === 503).length;
      for (let round = 0; round < 4; round++) {
        const before = refusals();
        await redis.kill();
        if (round % 2 === 1) await until('sends are refused', () => refusals() > before + 3);
        await redis[restart]();
        const sure = counted();
        await until('messages flow again', () => counted() > sure + 20);
      }
      stop = true;
      await publisher;
      const last = [...answers].findLast(([, { status }]) => status === 200)![0];
      await until('the last is read', () => [atA, atB].every(({ texts }) => texts.includes(`${last}`)));
      for (const [where, listener] of Object.entries({ atA, atB })) {
        const numbers = listener.texts.filter((text) => text !== 'probe').map(Number);
        t.ok(isSorted(numbers), `${where}: ${numbers.length} in order, none twice`);
        const arrived = new Set(numbers);
        const by = (test: (sent: Awaited<ReturnType<typeof send>>) => boolean) =>
          [...answers].filter(([, sent]) => test(sent)).map(([number]) => number);
        t.same(
          by(({ status }) => status === 503).filter((number) => arrived.has(number)),
          [],
          'what was refused is nowhere',
        );
        t.same(
          by(({ status, delivered }) => status === 200 && delivered === 2).filter(
            (number) => !arrived.has(number),
          ),
          [],
          'what was counted has arrived',
        );
      }
      const statuses = [...answers.values()].map(({ status }) => status);
      t.same(
        statuses.filter((status) => ![200, 503, 504].includes(status)),
        [],
      );
      const of = (one: number) => statuses.filter((status) => status === one).length;
      t.comment(`${next} sent: ${of(200)} taken, ${of(503)} refused, ${of(504)} unknown`);
    },
  );
}
