import t from 'tap';
import { StallingProxy } from '../../stalling-proxy.js';
import { until } from '../../until.js';
import {
  isSorted,
  listen,
  send,
  startNats,
  startNode,
  untilDelivered,
  withoutHistory,
} from './failure-parts.js';

async function setUp(t: Tap, flags = withoutHistory) {
  const { nats } = await startNats(t);
  const proxy = await StallingProxy.start(nats.port);
  t.teardown(() => proxy.stop());
  const [cut, other] = await Promise.all([
    startNode(t, 'cut', proxy.url, flags),
    startNode(t, 'other', nats.url, flags),
  ]);
  const [atCut, atOther] = [listen(t, cut!, 'x'), listen(t, other!, 'x')];
  await untilDelivered(cut!, 'x', 2);
  await untilDelivered(other!, 'x', 2);
  return { proxy, cut: cut!, other: other!, atCut, atOther };
}
type Tap = Parameters<typeof startNats>[0];

t.test(
  'a node whose way to NATS stands still notices it within 4 to 6 s, and is back by itself when it heals',
  async (t) => {
    const { proxy, cut, other, atCut, atOther } = await setUp(t);
    proxy.stall();
    const stalledMs = performance.now();
    const since = () => Math.round(performance.now() - stalledMs);
    const early = await send(cut, 'x', 'early');
    t.same(
      [early.status, early.delivered, early.unanswered],
      [200, 1, 1],
      'at first it only knows that nobody answers',
    );
    await until('the others do without it', async () => (await send(other, 'x', 'probe')).unanswered === 0);
    t.ok(since() < 5_500, `the others do not wait for it any more after ${since()} ms`);
    await until('it notices', async () => (await send(cut, 'x', 'probe')).status === 503);
    t.ok(since() > 3_500 && since() < 7_000, `it says so after ${since()} ms`);
    t.match(cut.log, /nats: lost/);
    t.match(cut.log, /does not answer/);
    t.equal((await send(cut, 'x', 'local')).delivered, 1, 'its own subscribers are served');
    await until('they have read it', () => atCut.texts.at(-1) === 'local');

    proxy.heal();
    const tookMs = await untilDelivered(other, 'x', 2);
    await untilDelivered(cut, 'x', 2);
    t.comment(`messages flow again ${Math.round(tookMs)} ms after it healed`);
    t.ok(tookMs < 6_500, 'a try to connect that stands still is given up after 5 s');
    t.notOk(atOther.texts.includes('local'), 'what was refused does not come later');
    const count = (texts: string[], text: string) => texts.filter((other) => other === text).length;
    // It was on its way when the node gave its connection up, and came late: to the others, and back to the node itself.
    t.equal(count(atCut.texts, 'early'), 1, 'own subscribers are not served twice');
    t.ok(count(atOther.texts, 'early') <= 1);
  },
);

t.test('a partition under load: what cannot be written holds nobody up', async (t) => {
  const { proxy, cut, other, atOther } = await setUp(t);
  const body = Buffer.alloc(60_000, 'x');
  let sent = 0;
  let stop = false;
  let refused = 0;
  let slowestMs = 0;
  const publisher = (async () => {
    while (!stop) {
      const startMs = performance.now();
      const { status } = await send(cut, `load?wait=0`, body);
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      if (status === 503) refused++;
      sent++;
    }
  })();
  await until('it flows', () => sent > 50);
  proxy.stall();
  const stalledMs = performance.now();
  await until('it notices', () => /nats: lost/.test(cut.log), 12_000);
  const noticedMs = performance.now() - stalledMs;
  t.ok(noticedMs < 7_000, `after ${Math.round(noticedMs)} ms, though its last bytes never went out`);
  await until('sends are refused', () => refused > 0);
  proxy.heal();
  await untilDelivered(other, 'x', 2);
  stop = true;
  await publisher;
  await untilDelivered(cut, 'x', 2);
  t.comment(`${sent} sent, ${refused} refused, the slowest answer took ${Math.round(slowestMs)} ms`);
  t.ok(slowestMs < 2_000);
  t.ok(atOther.open && cut.alive);
});

t.test('a way that is cut again and again: order holds, and nothing comes twice', async (t) => {
  const { proxy, cut, other, atCut, atOther } = await setUp(t);
  let next = 0;
  let stop = false;
  const publish = async (from: typeof cut, by: string) => {
    while (!stop) await send(from, 'x', `${by} ${next++}`);
  };
  const publishers = [publish(cut, 'cut'), publish(other, 'other')];
  for (let i = 0; i < 10; i++) {
    const sent = next;
    await until('some are sent', () => next > sent + 40);
    proxy.cut();
    await until('it is back', () => cut.log.split('nats: connected').length > i + 1);
  }
  stop = true;
  await Promise.all(publishers);
  await untilDelivered(cut, 'x', 2);
  await until('all is read', () => atOther.texts.at(-1) === 'probe' && atCut.texts.at(-1) === 'probe');
  for (const [where, { texts }] of Object.entries({ atCut, atOther })) {
    for (const by of ['cut', 'other']) {
      const numbers = texts
        .filter((text) => text.startsWith(`${by} `))
        .map((text) => Number(text.split(' ')[1]));
      t.ok(isSorted(numbers), `${where}: ${numbers.length} by ${by}, in order, none twice`);
    }
  }
});
