import t from 'tap';
import { until } from '../../until.js';
import { ask, batchOf, openStream } from '../raw-wire.js';
import { natsServer, nodeStats, startNodes, untilReached } from './nodes.js';
import { RawNats } from './raw-nats.js';

/** While NATS is away, nodes serve their own and say that they reach nobody else; all is back when it is. */

const nats = await natsServer(t);
const [one, two] = await startNodes(t, nats, ['gw-1', 'gw-2']);
const near = await openStream(one!.port, '/stream/123');
const far = await openStream(two!.port, '/stream/123');
await untilReached(one!, '123', 2);

const post = (path: string, body: string) => ask(one!.apiPort, path, { method: 'POST', body });
const readiness = async () => {
  const answer = await ask(one!.apiPort, '/ready');
  return `${answer.status} ${answer.text.trim()}`;
};

t.test('with NATS there', async (t) => {
  t.equal(await readiness(), '200 ready');
  t.match((await ask(one!.apiPort, '/stats')).json, {
    engine: { connected: true, server: nats.url.replace('nats://', ''), peers: 1, refused: 0 },
  });
});

t.test('when it goes', async (t) => {
  await nats.kill();
  await until('readiness is off', async () => (await readiness()) === '503 NATS is away');
  t.equal((await ask(one!.apiPort, '/health')).status, 200, 'the process is well');

  const sent = await post('/send/123', 'to the near one');
  t.equal(sent.status, 503);
  t.match(sent.json, { delivered: 1, error: /NATS cannot be reached/ });
  await near.saw('to the near one');
  const unwaited = await post('/send/123?wait=0', 'without a count');
  t.equal(unwaited.status, 503, '?wait=0 does not say 202 of what is not carried');
  const batch = await post('/send', batchOf([{ id: '123', data: 'in a batch' }]));
  t.equal(batch.status, 503);
  t.match(batch.json, { messages: 1, delivered: 1, uncarried: 1 });
  await near.saw('in a batch');
  const uncounted = await post('/send?wait=0', batchOf([{ id: '123', data: 'uncounted' }]));
  t.equal(uncounted.status, 503);
  t.match(uncounted.json, { messages: 1, uncarried: 1, error: /NATS cannot be reached/ });
  t.notOk('delivered' in uncounted.json);
  t.notMatch(near.text, /without a count|uncounted/, 'nor is it sent here: its publisher sends it again');

  const { engine, apiErrors } = await nodeStats(one!);
  t.equal(engine.connected, false);
  t.ok(engine.refused >= 3, `${engine.refused} were refused, and counted`);
  t.equal(apiErrors['503'], 4);
  const found = (await ask(one!.apiPort, '/ids/123')).json;
  t.equal(found.subscribers, 1, '/ids counts what it can');
  t.equal(found.unanswered, 1, 'and says what it cannot');
  const late = await openStream(one!.port, '/stream/late');
  t.equal((await post('/send/late', 'local')).json.delivered, 1, 'who logs in meanwhile is served, too');
  await late.close();
});

t.test('when it is back', async (t) => {
  const late = await openStream(two!.port, '/stream/while-away');
  await nats.restart();
  await until('readiness is on', async () => (await readiness()) === '200 ready');
  await untilReached(one!, '123', 2);
  t.same((await post('/send/123', 'to both again')).json, { delivered: 2 });
  await far.saw('to both again');
  await untilReached(one!, 'while-away', 1);
  t.same((await post('/send/while-away', 'x')).json, { delivered: 1 }, 'interest of the meantime is there');
  t.notMatch(far.text, 'to the near one', 'what was refused does not come late');
  const raw = await RawNats.open(nats.port);
  t.equal(await raw.ask('encke.send.123', 'by name'), '{"delivered":2}', 'and so is the global name');
  raw.close();
  t.ok((await nodeStats(one!)).engine.reconnects >= 1);
  await late.close();
});
