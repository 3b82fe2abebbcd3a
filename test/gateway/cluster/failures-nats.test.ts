import t from 'tap';
import { until } from '../../until.js';
import { listen, send, startNats, startNode, untilDelivered } from './failure-parts.js';

t.test(
  'nats-server is killed and comes back: nodes serve their own meanwhile, say so, and join by themselves',
  async (t) => {
    const { nats } = await startNats(t);
    const nodes = await Promise.all(['a', 'b'].map((name) => startNode(t, name, nats.url)));
    const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    const ids = Array.from({ length: 30 }, (_, i) => `id/${i}`);
    const many = listen(t, b, ids);
    const [atA, atB] = [listen(t, a, 'x'), listen(t, b, 'x')];
    await untilDelivered(a, 'x', 2);
    await untilDelivered(a, 'id/29', 1);

    await nats.kill();
    await until('it is noticed', async () => (await send(a, 'x', 'probe')).status === 503);
    const heardAtB = atB.heard.length;
    const before = await a.stats();
    for (let i = 0; i < 10; i++) {
      const sent = await send(a, 'x', `away ${i}`);
      t.same(
        [sent.status, sent.delivered],
        [503, 1],
        'own subscribers get it, and the answer says that others do not',
      );
      t.match(sent.error, /^NATS cannot be reached/);
    }
    t.equal((await a.stats()).apiErrors['503'] - before.apiErrors['503'], 10, 'and it is counted');
    t.equal((await a.stats()).engine.refused - before.engine.refused, 10);
    t.equal((await a.stats()).engine.connected, false);
    t.same(
      atA.texts.slice(-10),
      Array.from({ length: 10 }, (_, i) => `away ${i}`),
    );
    // What changes meanwhile holds when NATS is back.
    const late = listen(t, b, 'late');
    many.close();
    await until('the new stream is open', () => late.open);
    t.equal((await send(b, 'late', 'local')).delivered, 1);

    await nats.restart();
    const tookMs = await untilDelivered(a, 'x', 2);
    t.comment(`messages flow again ${Math.round(tookMs)} ms after nats-server is back`);
    t.ok(tookMs < 3_000);
    t.equal(await untilDelivered(a, 'late', 1).then(() => late.texts[0]), 'local');
    t.equal((await send(a, 'id/7', 'x')).delivered, 0, 'who has gone meanwhile is gone');
    t.notOk(
      atB.texts.slice(heardAtB).some((text) => text.startsWith('away')),
      'nothing of then comes late',
    );
    for (const node of nodes) {
      t.ok(node.alive);
      t.match(node.log, /nats: lost[\s\S]*nats: connected/);
    }
  },
);

t.test(
  'killed ten times in a row while messages go on: each count is explained, nothing comes twice',
  async (t) => {
    const { nats } = await startNats(t);
    const [a, b] = await Promise.all(['a', 'b'].map((name) => startNode(t, name, nats.url)));
    const [atA, atB] = [listen(t, a!, 'x'), listen(t, b!, 'x')];
    await untilDelivered(a!, 'x', 2);
    let next = 0;
    const certain: number[] = [];
    let stop = false;
    const publisher = (async () => {
      while (!stop) {
        const number = next++;
        const { status, delivered, unanswered } = await send(a!, 'x', `${number}`);
        if (status === 200 && delivered === 2 && unanswered === 0) certain.push(number);
      }
    })();
    for (let i = 0; i < 10; i++) {
      const sent = next;
      await nats.kill();
      await until('sends go on', () => next > sent + 20);
      await nats.restart();
      const sure = certain.length;
      await until('messages flow again', () => certain.length > sure + 20);
    }
    stop = true;
    await publisher;
    await until('the last that was counted is read', () => atB.texts.includes(`${certain.at(-1)}`));
    const numbersAt = (listener: typeof atA) => listener.texts.filter((text) => text !== 'probe').map(Number);
    t.same(
      numbersAt(atA),
      Array.from({ length: next }, (_, i) => i),
      'own subscribers get all, in order',
    );
    const there = numbersAt(atB);
    t.equal(new Set(there).size, there.length, 'nothing twice');
    t.same(
      there,
      [...there].sort((x, y) => x - y),
      'in order',
    );
    const arrived = new Set(there);
    t.same(
      certain.filter((number) => !arrived.has(number)),
      [],
      'what was counted there has arrived there',
    );
    t.comment(`${next} sent, ${certain.length} counted at both, ${there.length} arrived at the other node`);
  },
);
