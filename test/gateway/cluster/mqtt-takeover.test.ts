import t from 'tap';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { closing, connectRaw, openRaw, tryRaw } from '../mqtt/raw-client.js';
import { startNats, startNode, startNodes } from './mqtt-nodes.js';

/** One client id, one connection, over all nodes. */

const sessionsOf = async (node: GatewayProcess) => (await node.stats()).mqtt.sessions;

t.test('a client id that connects to another node is closed on the first within a second', async (t) => {
  const { nodes } = await startNodes(t, 3);
  const [a, b, c] = nodes as [GatewayProcess, GatewayProcess, GatewayProcess];
  const bystander = await connectRaw(t, a, { clientId: 'bystander' });
  let last = await connectRaw(t, a, { clientId: 'walker' });
  for (const node of [b, c, a, c, b]) {
    const startedMs = performance.now();
    const next = await connectRaw(t, node, { clientId: 'walker' });
    t.equal(await closing(last), '1008 taken-over');
    t.ok(performance.now() - startedMs < 1000, 'within a second');
    last = next;
  }
  t.same(await last.untilPong(), [], 'the newest stays');
  t.same(await bystander.untilPong(), []);
  const closed = await Promise.all(nodes.map(async (node) => (await node.stats()).connections.closed));
  t.equal(
    closed.reduce((sum, reasons) => sum + reasons['taken-over'], 0),
    5,
  );
});

t.test('two nodes that are asked for one client id at the same time end with one connection', async (t) => {
  const { nodes } = await startNodes(t, 2);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const rounds = 50;
  const pairs = Array.from({ length: rounds }, async (_, n) => {
    const clients = await Promise.all([openRaw(t, a), openRaw(t, b)]);
    for (const client of clients) client.send(connect({ clientId: `racer-${n}` }));
    return clients;
  });
  const races = await Promise.all(pairs);
  await until('each race has a loser', () =>
    races.every((clients) => clients.some(({ closeCode }) => closeCode !== undefined)),
  );
  const heard = async (node: GatewayProcess) => (await node.stats()).mqtt.takeovers.heard;
  await until('all is heard', async () => (await heard(a)) >= rounds && (await heard(b)) >= rounds);
  for (const node of [a, b]) await (await connectRaw(t, node)).untilPong();
  for (const clients of races) {
    const open = clients.filter(({ closeCode }) => closeCode === undefined);
    t.equal(open.length, 1);
    for (const client of open) {
      t.match(await client.next(), { type: 'CONNACK', returnCode: 0 });
      t.same(await client.untilPong(), []);
    }
  }
  const connected = (await sessionsOf(a)).connected + (await sessionsOf(b)).connected;
  t.equal(connected, rounds + 2);
});

t.test(
  'a session does not follow its client: it begins anew there, and what waited is lost and said',
  async (t) => {
    const { nodes } = await startNodes(t, 2);
    const [a, b] = nodes as [GatewayProcess, GatewayProcess];
    const options = { clientId: 'mover', clean: false };
    const first = await connectRaw(t, a, options);
    await first.subscribe('news', 1);
    await first.drop();
    for (let n = 0; n < 3; n++) await b.send('news?qos=1', String(n));
    t.equal((await sessionsOf(a)).persistent, 1);
    const there = await tryRaw(t, b, options);
    t.equal(there.code, 0);
    t.equal(there.sessionPresent, false);
    await until('it is gone from the first', async () => (await sessionsOf(a)).sessions === 0);
    t.match(await sessionsOf(a), { moved: 1, persistent: 0, bytes: 0, dropped: { 'session-moved': 3 } });
    t.match(a.log, /"reason":"session-moved","clientId":"mover","node":"b","messagesLost":3/);
    t.equal((await a.stats()).router.logins, 0, 'nobody is logged in for it');
    const back = await tryRaw(t, a, options);
    t.equal(back.sessionPresent, false, 'nor is it there when the client comes back');
    t.same(await back.client.untilPong(), [], 'and no old message comes');
    t.equal(await closing(there.client), '1008 taken-over');
  },
);

t.test('a clean session elsewhere ends the persistent one, too', async (t) => {
  const { nodes } = await startNodes(t, 2);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  await (await connectRaw(t, a, { clientId: 'x', clean: false })).drop();
  await connectRaw(t, b, { clientId: 'x', clean: true });
  await until('it is gone', async () => (await sessionsOf(a)).sessions === 0);
  t.match(await sessionsOf(a), { moved: 1, takenOver: 0 });
});

t.test('the will of who is taken over goes out, and both nodes tell of it', async (t) => {
  const { nodes } = await startNodes(t, 2);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const watcher = await connectRaw(t, b, { clientId: 'watcher' });
  await watcher.subscribe('wills');
  await watcher.subscribe('$SYS/brokers/+/clients/x/+');
  const first = await connectRaw(t, a, { clientId: 'x', will: { topic: 'wills', payload: 'gone' } });
  await connectRaw(t, b, { clientId: 'x' });
  t.equal(await closing(first), '1008 taken-over');
  const said = (await watcher.nextPublishes(4)).map(({ topic, payload }) => `${topic} ${payload}`).sort();
  t.match(said[0], /^\$SYS\/brokers\/a\/clients\/x\/connected/);
  t.match(said[1], /^\$SYS\/brokers\/a\/clients\/x\/disconnected .*"taken-over"/);
  t.match(said[2], /^\$SYS\/brokers\/b\/clients\/x\/connected/);
  t.equal(said[3], 'wills gone');
});

t.test('a client id that the server made is announced to nobody', async (t) => {
  const { nodes } = await startNodes(t, 2);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  await connectRaw(t, a, { clientId: '' });
  await connectRaw(t, a, { clientId: 'chosen' });
  await until('one is heard of', async () => (await b.stats()).mqtt.takeovers.heard > 0);
  t.match((await a.stats()).mqtt.takeovers, { announced: 1, waiting: 0, unannounced: 0 });
  t.match((await b.stats()).mqtt.takeovers, { heard: 1 });
});

t.test('who connects while NATS is away takes over when it is back', async (t) => {
  const { nats, nodes } = await startNodes(t, 2);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const first = await connectRaw(t, a, { clientId: 'x' });
  await nats.kill();
  await until('both know', () => [a, b].every(({ log }) => log.includes('nats: lost')));
  const second = await connectRaw(t, b, { clientId: 'x' });
  const third = await connectRaw(t, b, { clientId: 'y' });
  await third.disconnect();
  t.same(await first.untilPong(), [], 'nobody could tell');
  t.match((await b.stats()).mqtt.takeovers, { waiting: 2 });
  await nats.restart();
  // At once, or when it is announced again: the node that has to hear it may be the later one to be back.
  await until('the first is closed', () => first.closeCode !== undefined, 15_000);
  t.equal(await closing(first), '1008 taken-over');
  t.same(await second.untilPong(), []);
});

t.test('garbage in the place of an announcement harms nobody', async (t) => {
  const nats = await startNats(t);
  const node = await startNode(t, nats, 'a');
  const client = await connectRaw(t, node, { clientId: 'x' });
  const { connect: connectNats } = await import('@nats-io/transport-node');
  const connection = await connectNats({ servers: nats.url });
  t.teardown(() => connection.close());
  for (const body of ['', 'x', '\xff'.repeat(500)]) connection.publish('encke.say.takeover', body);
  // As a peer, who is listened to.
  const run = 77;
  const hello = { word: 'hello', run, name: 'z', group: '', role: 'both', startedMs: 0 };
  connection.publish('encke.node', JSON.stringify(hello));
  const signed = (...bytes: number[]) => Buffer.from([0, 0, 0, 0, 0, run, ...bytes]);
  connection.publish('encke.say.takeover', signed(1, 2, 3));
  connection.publish('encke.say.takeover', signed(0, 0, 0, 0, 0, 9, 0xff, 0xff, 0x78));
  connection.publish('encke.say.takeover', signed(255, 255, 255, 255, 255, 255, 0, 1, 0x79));
  await connection.flush();
  await until('one could be read', async () => (await node.stats()).mqtt.takeovers.heard === 1);
  t.same(await client.untilPong(), []);
  await connectRaw(t, node, { clientId: 'z' });
  t.ok(node.alive);
});
