import t from 'tap';
import { connect, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw, openRaw } from './raw-client.js';
import { StuckClient } from './stuck-client.js';

oneProcessFile('memory of one process');

/** Packets that come in pieces: kept only while they are incomplete, and within a limit for all. */

const connections = 200;
/** All come from one address. */
const fromOneAddress = ['--mqtt-max-pending-connects-per-address', '0'];
const mebibyte = 1024 * 1024;

t.test('many clients that send one byte a frame are all served, and nothing stays of it', async (t) => {
  const gateway = await startGateway({ flags: fromOneAddress });
  t.teardown(() => gateway.kill());
  const partials = async () => (await gateway.stats()).mqtt.partialPackets;
  const clients = await Promise.all(Array.from({ length: connections }, () => openRaw(t, gateway)));
  const scripts = clients.map((_, n) =>
    Buffer.concat([
      connect({ clientId: `trickle-${n}` }),
      subscribe(1, [`own/${n}`, 0]),
      publish(`own/${n}`, `${n} `.padEnd(100, 'x')),
    ]),
  );
  const shortest = Math.min(...scripts.map(({ length }) => length));
  for (let at = 0; at < shortest - 1; at++) sendByte(clients, scripts, at);
  await until('all are in the middle of a packet', async () => (await partials()) === connections);
  for (let at = shortest - 1; scripts.some(({ length }) => at < length); at++) sendByte(clients, scripts, at);
  for (const [n, client] of clients.entries()) {
    const packets = [await client.next(), await client.next(), await client.next()];
    t.match(packets, [{ type: 'CONNACK' }, { type: 'SUBACK' }, { type: 'PUBLISH', topic: `own/${n}` }]);
  }
  t.equal(await partials(), 0);
});

function sendByte(clients: RawMqtt[], scripts: Buffer[], at: number): void {
  for (const [n, client] of clients.entries()) {
    if (at < scripts[n]!.length) client.send(scripts[n]!.subarray(at, at + 1));
  }
}

t.test('a packet that is never completed is forgotten with its connection', async (t) => {
  const gateway = await startGateway({ flags: fromOneAddress });
  t.teardown(() => gateway.kill());
  const partials = async () => (await gateway.stats()).mqtt.partialPackets;
  const bystander = await connectRaw(t, gateway);
  await bystander.subscribe('half', 0);
  const half = publish('half', 'x'.repeat(1000)).subarray(0, 500);
  for (const leave of ['drop', 'half'] as const) {
    const clients = await Promise.all(Array.from({ length: 100 }, () => connectRaw(t, gateway)));
    for (const client of clients) client.send(half);
    await until('they are in the middle of it', async () => (await partials()) === 100);
    await Promise.all(clients.map((client) => client[leave]()));
    await until(`${leave}: nothing is left`, async () => (await partials()) === 0);
  }
  t.same(await bystander.untilPong(), [], 'half a message is none');
});

t.test('an announced length costs nothing until the bytes come', async (t) => {
  const gateway = await startGateway({
    flags: [...fromOneAddress, '--mqtt-max-packet-size', String(16 * mebibyte)],
  });
  t.teardown(() => gateway.kill());
  const clients = await Promise.all(Array.from({ length: connections }, () => connectRaw(t, gateway)));
  const before = gateway.rssBytes;
  const announced = publish('large', Buffer.alloc(15 * mebibyte)).subarray(0, 20);
  for (const client of clients) client.send(announced);
  await until(
    'all are in the middle',
    async () => (await gateway.stats()).mqtt.partialPackets === connections,
  );
  const grownMb = (gateway.rssBytes - before) / 1e6;
  t.ok(grownMb < 20, `3 GB are announced; grown by ${Math.round(grownMb)} MB`);
});

t.test('all incomplete packets together have a limit, and who crosses it is closed', async (t) => {
  const gateway = await startGateway({
    flags: [...fromOneAddress, '--mqtt-max-packet-size', String(16 * mebibyte)],
  });
  t.teardown(() => gateway.kill());
  const before = gateway.rssBytes;
  const bystander = await connectRaw(t, gateway);
  const piece = Buffer.alloc(mebibyte);
  const large = publish('large', Buffer.alloc(15 * mebibyte)).subarray(0, mebibyte);
  const clients: StuckClient[] = [];
  for (let n = 0; n < 8; n++) {
    const client = await StuckClient.connect(gateway, { clientId: `large-${n}` });
    t.teardown(() => client.destroy());
    client.resume();
    clients.push(client);
    client.send(large);
    for (let sent = 1; sent < 14; sent++) client.send(piece);
  }
  const closed = async () => (await gateway.stats()).connections.closed['partial-packets-total'];
  await until('some are closed', async () => (await closed()) > 0);
  await until('their bytes are taken', () =>
    clients.every(({ closed, unsentBytes }) => closed || unsentBytes === 0),
  );
  for (const client of clients) client.takePublications();
  const gone = clients.filter((client) => client.closeCode !== undefined);
  t.ok(gone.length >= 2 && gone.length <= 5, `${gone.length} of 8 were closed`);
  t.ok(gone.every((client) => client.closeCode === 1013 && client.closeReason === 'partial-packets-total'));
  t.equal(await closed(), gone.length);
  const grownMb = (gateway.rssBytes - before) / 1e6;
  t.ok(grownMb < 220, `64 MiB are allowed, and each may be copied as it grows: ${Math.round(grownMb)} MB`);
  await bystander.subscribe('still', 1);
  await bystander.publish('other', 'x', { qos: 2 });
  t.pass('others are served');
  for (const client of clients) await client.destroy();
  await until('nothing is left of them', async () => (await gateway.stats()).mqtt.partialPackets === 0);
});
