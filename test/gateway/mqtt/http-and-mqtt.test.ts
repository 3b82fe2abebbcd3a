import t from 'tap';
import { startGateway } from '../../gateway-process.js';
import { until } from '../../until.js';
import { ask, openStream } from '../raw-wire.js';
import { brief, RealClient } from './real-client.js';

/** An id is a topic: what goes in over HTTP comes out over MQTT, and the other way round. */

const gateway = await startGateway();
t.teardown(() => gateway.kill());

const levels = [0, 1, 2] as const;

async function send(path: string, body: string): Promise<number> {
  const answer = await ask(gateway.apiPort, `/send/${path}`, { method: 'POST', body });
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
  return answer.json.delivered;
}

t.test('POST /send/<id> reaches MQTT, at QoS 1 where the subscription allows it', async (t) => {
  const clients = [];
  for (const qos of levels) {
    const client = await RealClient.connect(t, gateway);
    await client.subscribe('123', qos);
    clients.push(client);
  }
  t.equal(await send('123', 'Hello World'), 3, 'each is counted');
  for (const [qos, client] of clients.entries()) {
    t.same((await client.exactly(1)).map(brief), [`123 Hello World ${Math.min(qos, 1)}`]);
  }
});

t.test('?qos= says what the message is sent at', async (t) => {
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('asked', 2);
  for (const qos of levels) t.equal(await send(`asked?qos=${qos}`, `at ${qos}`), 1);
  t.same(
    (await client.exactly(3)).map(brief).sort(),
    levels.map((qos) => `asked at ${qos} ${qos}`),
  );
  for (const query of ['qos=3', 'qos=x', 'qos=-1', 'qos=1.5', 'qos=', 'qos=%202', 'qos=01', 'qos=0x1']) {
    const answer = await ask(gateway.apiPort, `/send/asked?${query}`, { method: 'POST', body: 'x' });
    t.equal(answer.status, 400, query);
    t.match(answer.text, /qos is 0, 1 or 2/);
  }
  await client.exactly(3);
});

t.test('?retain=1 keeps the message for who subscribes later', async (t) => {
  t.equal(await send('status/a?retain=1', 'up'), 0);
  t.equal(await send('status/b?retain=1&qos=2', 'down'), 0);
  t.equal(await send('status/c?retain=0', 'not kept'), 0);
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('status/#', 2);
  t.same((await client.exactly(2)).map(brief).sort(), ['status/a up 1 retained', 'status/b down 2 retained']);
  t.equal(await send('status/a?retain=1', ''), 1, 'an empty one clears it');
  await client.publish('status/b', '', { retain: true });
  await client.exactly(4); // what clears is a message, too: it is not under way any more
  const late = await RealClient.connect(t, gateway);
  await late.subscribe('status/#', 2);
  await late.exactly(0);
  for (const retain of ['2', 'true', 'false', '', '01']) {
    const path = `/send/status/a?retain=${retain}`;
    const answer = await ask(gateway.apiPort, path, { method: 'POST', body: 'x' });
    t.same([answer.status, answer.text], [400, 'retain is 0 or 1.\n'], path);
  }
});

t.test('the lines of a batch say it each for themselves', async (t) => {
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('batch/#', 2);
  const lines = [
    { id: 'batch/a', data: 'plain' },
    { id: 'batch/b', data: 'two', qos: 2 },
    { id: 'batch/c', data: 'zero', qos: 0 },
    { id: 'batch/d', data: 'kept', retain: true },
  ];
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  t.equal((await ask(gateway.apiPort, '/send', { method: 'POST', body })).json.delivered, 4);
  const expected = ['batch/a plain 1', 'batch/b two 2', 'batch/c zero 0', 'batch/d kept 1'];
  t.same((await client.exactly(4)).map(brief).sort(), expected);
  const late = await RealClient.connect(t, gateway);
  await late.subscribe('batch/#', 1);
  t.same((await late.exactly(1)).map(brief), ['batch/d kept 1 retained']);
});

t.test('the qos of a line is a number, and its retain true or false', async (t) => {
  const bad = [true, false, '', '1', [2], null, 1.5, 3, -1].map((qos) => ({ id: 'strict', data: 'x', qos }));
  const wrong = [...bad, ...['1', 1, null].map((retain) => ({ id: 'strict', data: 'x', retain }))];
  const body = wrong.map((line) => `${JSON.stringify(line)}\n`).join('');
  const { json } = await ask(gateway.apiPort, '/send', { method: 'POST', body });
  t.match(json, { messages: 0, bad: wrong.length });
  const errors = json.errors.map(({ error }: { error: string }) => error);
  t.same(
    errors.slice(0, bad.length),
    bad.map(() => '"qos" is the number 0, 1 or 2.'),
  );
  t.same(errors.slice(bad.length), [
    '"retain" is true or false.',
    '"retain" is true or false.',
    '"retain" is true or false.',
  ]);
});

t.test('a PUBLISH reaches /test/<id> and /stream/<id>, whatever its QoS', async (t) => {
  const [page, lines] = [
    await openStream(gateway.port, '/test/456'),
    await openStream(gateway.port, '/stream/456'),
  ];
  const client = await RealClient.connect(t, gateway);
  for (const qos of levels) await client.publish('456', `<b>at ${qos}</b>`, { qos });
  await page.saw("Recvd msg #3: '&lt;b&gt;at 2&lt;/b&gt;'<br/>");
  await lines.saw('at 2');
  const said = lines.text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  t.same(
    said.map(({ id, data }) => `${id} ${data}`),
    levels.map((qos) => `456 <b>at ${qos}</b>`),
  );
  t.ok(said.every(({ time }) => Math.abs(time - Date.now()) < 60_000));
  await Promise.all([page.close(), lines.close()]);
});

t.test('an id with slashes and any character is the same one on both sides', async (t) => {
  const id = 'room/7/Größe/日本 &';
  const path = id.split('/').map(encodeURIComponent).join('/');
  const stream = await openStream(gateway.port, `/stream/${path}`);
  const client = await RealClient.connect(t, gateway);
  await client.subscribe(id, 1);
  t.equal(await send(path, 'over HTTP'), 2);
  await client.publish(id, 'over MQTT', { qos: 1 });
  await stream.saw('over MQTT');
  t.same(client.texts(), ['over HTTP', 'over MQTT']);
  await stream.close();
});

t.test('bytes that are no text keep their value', async (t) => {
  const bytes = Buffer.from([0, 0xff, 0xfe, 0x80, 10]);
  const stream = await openStream(gateway.port, '/stream/raw');
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('raw');
  await client.publish('raw', bytes);
  await stream.saw(`"data":"${bytes.toString('base64')}","encoding":"base64"`);
  await gateway.send('raw', bytes);
  t.ok((await client.exactly(2)).every(({ payload }) => payload.equals(bytes)));
  await stream.close();
});

t.test('a session that is away is sent to, and gets it when it is back', async (t) => {
  const options = { clientId: 'sleeper', clean: false };
  const first = await RealClient.connect(t, gateway, options);
  await first.subscribe('sleep', 1);
  await first.leave();
  await until('it is away', async () => (await gateway.stats()).mqtt.sessions.connected === 0);
  t.equal(await send('sleep', 'while you were away'), 1, 'it is queued, and so counted');
  t.equal(await send('sleep?qos=0', 'not kept'), 0);
  const second = await RealClient.connect(t, gateway, options);
  t.same((await second.exactly(1)).map(brief), ['sleep while you were away 1']);
});

t.test('a subscriber to everything gets messages sent over HTTP, too', async (t) => {
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('#', 0);
  t.equal((await client.exactly(1)).length, 1, 'and what is retained: that of the batch');
  for (let n = 0; n < 20; n++) await send(`all/${n}`, `${n}`);
  t.same(
    (await client.exactly(21)).slice(1).map(brief),
    Array.from({ length: 20 }, (_, n) => `all/${n} ${n} 0`),
  );
});
