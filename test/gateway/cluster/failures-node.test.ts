import t from 'tap';
import { until } from '../../until.js';
import { listen, send, startNode, untilDelivered } from './failure-parts.js';
import { redisServer } from './redis-nodes.js';

t.test('a node is killed: Redis knows at once, nobody waits, and its clients go on elsewhere', async (t) => {
  const redis = await redisServer(t);
  const [dying, other, publisher] = await Promise.all(
    ['dying', 'other', 'publisher'].map((name) => startNode(t, name, redis.url)),
  );
  const client = listen(t, [dying!, other!], 'x');
  listen(t, dying!, 'alone');
  await untilDelivered(publisher!, 'x', 1);
  await untilDelivered(publisher!, 'alone', 1);
  const asker = redis.client();
  const interested = async (id: string) => ((await asker.pubsub('NUMSUB', `encke:i:${id}`)) as unknown[])[1];
  t.same([await interested('alone'), await interested('x')], [1, 1]);

  const killedMs = performance.now();
  await dying!.kill('SIGKILL');
  await until('its ids are gone from Redis', async () => (await interested('alone')) === 0);
  t.comment(`interest gone after ${Math.round(performance.now() - killedMs)} ms`);
  const alone = await send(publisher!, 'alone', 'x');
  t.same([alone.status, alone.delivered, alone.unanswered], [200, 0, 0], 'no count waits for it');
  await until('its client is at the other node', () => client.at === 1);
  t.comment(`client elsewhere after ${Math.round(performance.now() - killedMs)} ms`);
  await untilDelivered(publisher!, 'x', 1);
  await until('the others say so', () => /"detail":"dying".*redis: gone/.test(publisher!.log));
  t.equal((await publisher!.stats()).engine.peers, 1);
});

t.test('a node that stops says so: the others know before its silence would tell', async (t) => {
  const redis = await redisServer(t);
  const [leaving, other] = await Promise.all(
    ['leaving', 'other'].map((name) => startNode(t, name, redis.url)),
  );
  const peers = async () => (await other!.stats()).engine.peers;
  await until('they know each other', async () => (await peers()) === 1);
  t.equal(await leaving!.kill('SIGTERM'), 0);
  await until('it is gone', async () => (await peers()) === 0, 2_500);
});

t.test(
  'with history, clients of a killed node resume on another: nothing is missing, nothing twice',
  async (t) => {
    const redis = await redisServer(t);
    const history = ['--history-rules', '# 1000 60'];
    const [dying, other, publisher] = await Promise.all(
      ['dying', 'other', 'publisher'].map((name) => startNode(t, name, redis.url, history)),
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
