import t from 'tap';
import { StallingProxy } from '../../stalling-proxy.js';
import { until } from '../../until.js';
import { isSorted, listen, send, startNode, untilDelivered, withoutHistory } from './failure-parts.js';
import { redisServer } from './redis-nodes.js';

type Tap = Parameters<typeof redisServer>[0];

async function setUp(t: Tap, flags = withoutHistory) {
  const redis = await redisServer(t);
  const proxy = await StallingProxy.start(redis.port);
  t.teardown(() => proxy.stop());
  const [cut, other] = await Promise.all([
    startNode(t, 'cut', `redis://127.0.0.1:${proxy.port}`, flags),
    startNode(t, 'other', redis.url, flags),
  ]);
  const [atCut, atOther] = [listen(t, cut!, 'x'), listen(t, other!, 'x')];
  await untilDelivered(cut!, 'x', 2);
  await untilDelivered(other!, 'x', 2);
  return { proxy, cut: cut!, other: other!, atCut, atOther };
}

t.test(
  'a node whose way to Redis stands still notices it within 2 s, and is back by itself when it heals',
  async (t) => {
    const { proxy, cut, other, atCut, atOther } = await setUp(t, [
      ...withoutHistory,
      '--count-wait-ms',
      '500',
    ]);
    proxy.stall();
    const stalledMs = performance.now();
    const since = () => Math.round(performance.now() - stalledMs);
    const early = send(cut, 'x', 'early');
    const first = await send(other, 'x', 'early of the other');
    t.same([first.status, first.delivered, first.unanswered], [200, 1, 1], 'its copy is not answered');
    const next = performance.now();
    t.same(await send(other, 'x', 'next of the other'), { ...first }, 'nor is the next,');
    t.ok(performance.now() - next < 450, `which does not wait for it: ${performance.now() - next} ms`);
    let readyMs = 0;
    await until('it notices', async () => {
      const askedMs = performance.now();
      const { status } = await fetch(`${cut.apiUrl}/ready`);
      if (status === 200) readyMs = askedMs;
      return status === 503;
    });
    t.ok(readyMs - stalledMs < 2_000, `ready for ${Math.round(readyMs - stalledMs)} ms`);
    t.equal((await send(cut, 'x', 'refused')).status, 503);
    t.match(cut.log, /it does not answer.*redis: lost/);
    const unknown = await early;
    t.equal(unknown.status, 504, `it was under way: told so after ${since()} ms`);
    proxy.heal();
    const tookMs = await untilDelivered(other, 'x', 2);
    await untilDelivered(cut, 'x', 2);
    t.comment(`messages flow again ${Math.round(tookMs)} ms after it healed`);
    t.ok(tookMs < 30_000, 'a try to connect that stands still is given up after 2 s');
    for (const { texts } of [atCut, atOther]) {
      t.notOk(texts.includes('refused'), 'what was refused does not come later');
      t.notOk(texts.includes('early'), 'nor does what came too late to Redis');
    }
  },
);

t.test('a partition under load: what cannot be written is bounded, and holds nobody up', async (t) => {
  const { proxy, cut, other, atOther } = await setUp(t);
  const body = Buffer.alloc(60_000, 'x');
  const statuses: number[] = [];
  let stop = false;
  let slowestMs = 0;
  const publisher = async () => {
    while (!stop) {
      const startMs = performance.now();
      statuses.push((await send(cut, 'load?wait=0', body)).status);
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
    }
  };
  const publishers = [publisher(), publisher(), publisher()];
  await until('it flows', () => statuses.length > 50);
  proxy.stall();
  const stalledMs = performance.now();
  await until('it notices', () => /redis: lost/.test(cut.log), 12_000);
  t.comment(`it noticed after ${Math.round(performance.now() - stalledMs)} ms`);
  await until('sends are refused', () => statuses.includes(503));
  const beforeMs = performance.now();
  t.equal((await fetch(`${cut.apiUrl}/health`)).status, 200);
  t.ok(performance.now() - beforeMs < 30_000, 'and the node answers others meanwhile');
  proxy.heal();
  await untilDelivered(other, 'x', 2);
  stop = true;
  await Promise.all(publishers);
  await untilDelivered(cut, 'x', 2);
  const of = (one: number) => statuses.filter((status) => status === one).length;
  t.comment(
    `${of(202)} taken, ${of(503)} refused, ${of(504)} unknown; the slowest took ${Math.round(slowestMs)} ms`,
  );
  t.ok(slowestMs < 60_000, 'what is under way is told 5 s later at the latest');
  t.ok(atOther.open && cut.alive);
});

t.test('a way that is cut again and again: order holds, and nothing comes twice', async (t) => {
  const { proxy, cut, other, atCut, atOther } = await setUp(t);
  let next = 0;
  let stop = false;
  const taken: string[] = [];
  const publish = async (from: typeof cut, by: string) => {
    while (!stop) {
      const text = `${by} ${next++}`;
      const { status, delivered, unanswered } = await send(from, 'x', text);
      if (status === 200 && delivered === 2 && unanswered === 0) taken.push(text);
    }
  };
  const publishers = [publish(cut, 'cut'), publish(other, 'other')];
  for (let i = 0; i < 10; i++) {
    const counted = taken.length;
    await until('some are with both', () => taken.length > counted + 20);
    const wasBack = cut.log.split('redis: back').length;
    proxy.cut();
    await until('it is back', () => cut.log.split('redis: back').length > wasBack);
  }
  stop = true;
  await Promise.all(publishers);
  await untilDelivered(cut, 'x', 2);
  await until('all is read', () => atOther.texts.at(-1) === 'probe' && atCut.texts.at(-1) === 'probe');
  for (const [where, { texts }] of Object.entries({ atCut, atOther })) {
    const arrived = new Set(texts);
    t.same(
      taken.filter((text) => !arrived.has(text)),
      [],
      'what was counted is there',
    );
    for (const by of ['cut', 'other']) {
      const numbers = texts
        .filter((text) => text.startsWith(`${by} `))
        .map((text) => Number(text.split(' ')[1]));
      t.ok(isSorted(numbers), `${where}: ${numbers.length} by ${by}, in order, none twice`);
    }
  }
});
