import t from 'tap';
import { until } from '../../until.js';
import { listen, send, startNats, startNode, untilDelivered } from './failure-parts.js';

t.test('a node is killed: its ids vanish from NATS, and its clients go on elsewhere', async (t) => {
  const { nats, ask } = await startNats(t);
  const [dying, other, publisher] = await Promise.all(
    ['dying', 'other', 'publisher'].map((name) => startNode(t, name, nats.url)),
  );
  const client = listen(t, [dying!, other!], 'x');
  listen(t, dying!, 'alone');
  await untilDelivered(publisher!, 'x', 1);
  await untilDelivered(publisher!, 'alone', 1);
  const interests = async () => {
    const { connections } = await ask('/connz?subs=1');
    return connections.flatMap(({ subscriptions_list: list }: { subscriptions_list: string[] }) =>
      list.filter((subject) => subject === 'encke.m.alone' || subject === 'encke.m.x'),
    );
  };
  t.same((await interests()).sort(), ['encke.m.alone', 'encke.m.x']);

  const killedMs = performance.now();
  await dying!.kill('SIGKILL');
  await until('its ids are gone from NATS', async () => !(await interests()).includes('encke.m.alone'));
  t.comment(`interest gone after ${Math.round(performance.now() - killedMs)} ms`);
  await until('its client is at the other node', () => client.at === 1);
  t.comment(`client elsewhere after ${Math.round(performance.now() - killedMs)} ms`);
  await until('sends reach it there', async () => (await send(publisher!, 'x', 'again')).delivered === 1);
  t.equal((await send(publisher!, 'alone', 'x')).delivered, 0);

  // Until its silence is taken for its end, its count is missing and said to be.
  const missing = await send(publisher!, 'x', 'counted');
  t.same([missing.status, missing.delivered, missing.unanswered], [200, 1, 1]);
  await untilDelivered(publisher!, 'x', 1);
  const goneMs = performance.now() - killedMs;
  t.ok(goneMs > 2_500 && goneMs < 5_500, `nobody waits for it any more after ${Math.round(goneMs)} ms`);
  t.match(publisher!.log, /"detail":"dying".*nats: gone/);
});

t.test(
  'with history, clients of a killed node resume on another: nothing is missing, nothing twice',
  async (t) => {
    const { nats } = await startNats(t);
    const history = ['--history-rules', '# 1000 60'];
    const [dying, other, publisher] = await Promise.all(
      ['dying', 'other', 'publisher'].map((name) => startNode(t, name, nats.url, history)),
    );
    const clients = ['x', 'y'].map((id) => listen(t, [dying!, other!], id, { resume: true }));
    for (const id of ['x', 'y']) await untilDelivered(publisher!, id, 1);
    let sent = 0;
    const sendSome = async () => {
      for (const id of ['x', 'y']) await send(publisher!, id, `${sent}`);
      sent++;
    };
    while (sent < 20) await sendSome();
    const death = dying!.kill('SIGKILL');
    while (sent < 40) await sendSome();
    await death;
    await until('the clients are at the other node', () => clients.every(({ at }) => at === 1));
    while (sent < 60) await sendSome();
    for (const client of clients) {
      await until('the last has come', () => client.texts.includes('59'));
      const numbers = client.texts.filter((text) => text !== 'probe').map(Number);
      t.same(
        numbers,
        Array.from({ length: 60 }, (_, i) => i),
      );
      t.same(client.recovered, [true]);
    }
  },
);
