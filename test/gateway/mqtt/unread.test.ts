import t, { type Test } from 'tap';
import { pingreq, publish, pubrel, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { StuckClient } from './stuck-client.js';

oneProcessFile('memory of one process');

/** A client that does not read its answers is cut, and the server's memory does not grow. */

// Each test has a server of its own, and mostly waits until the clients are cut.
t.jobs = 4;

const frameBytes = 250_000; // uWS takes 4 x 65,536

function times(packet: Buffer, count = Math.floor(frameBytes / packet.length)): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => packet));
}

const floods: Record<string, Buffer> = {
  PINGREQ: times(pingreq()),
  'PUBLISH at QoS 1': times(publish('nobody', '', { qos: 1, id: 1 })),
  'PUBLISH at QoS 2 and PUBREL': times(Buffer.concat([publish('nobody', '', { qos: 2, id: 1 }), pubrel(1)])),
  SUBSCRIBE: times(subscribe(1, ['f', 0])),
};

async function stuck(t: Test, gateway: GatewayProcess, clientId: string): Promise<StuckClient> {
  const client = await StuckClient.connect(gateway, { clientId });
  t.teardown(() => client.destroy());
  return client;
}

/** Three clients that ask until they are cut. @returns the server's memory afterwards, bytes */
async function floodUntilCut(t: Test, gateway: GatewayProcess, flood: Buffer): Promise<number> {
  const clients = await Promise.all([1, 2, 3].map((n) => stuck(t, gateway, `flood-${n}`)));
  const allAreCut = async () => {
    for (const client of clients) if (!client.closed && client.unsentBytes < frameBytes) client.send(flood);
    return (await gateway.stats()).connections.open === 0;
  };
  await until('all are cut', allAreCut, 60_000); // 3 s where nothing else runs
  return gateway.rssBytes;
}

for (const [name, flood] of Object.entries(floods)) {
  t.test(`a flood of ${name} whose answers are not read`, { buffered: true, timeout: 240_000 }, async (t) => {
    const gateway = await startGateway({ flags: ['--mqtt-presence', 'false'] });
    t.teardown(() => gateway.kill());
    const afterFirst = await floodUntilCut(t, gateway, flood);
    await floodUntilCut(t, gateway, flood);
    await floodUntilCut(t, gateway, flood);
    const grownMb = () => (gateway.rssBytes - afterFirst) / 1e6;
    // Where the machine is busy, garbage of the last time is collected later.
    await until('what it has grown by since the first time is given back', () => grownMb() < 30);
    t.comment(`grown by ${Math.round(grownMb())} MB from the first time to the third`);
    const { connections, router, mqtt } = await gateway.stats();
    t.equal(connections.closed['answers-unread'], 9);
    t.match(router, { logins: 0, subscribers: 0 });
    t.match(mqtt.sessions, { sessions: 0, busy: 0 });
    t.match(gateway.log, '"reason":"answers-unread"');
    t.match(gateway.log, '"clientId":"flood-1"');
  });
}

t.test('a client that reads its answers may ask as much as it likes', { buffered: true }, async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const client = await stuck(t, gateway, 'reader');
  client.resume();
  for (let n = 0; n < 40; n++) {
    client.send(times(pingreq(), 10_000));
    await until('it is taken', () => client.unsentBytes === 0);
  }
  await until('all is read', async () => (await gateway.stats()).mqtt.bytesReceived > 40 * 20_000);
  t.notOk(client.closed);
  t.equal((await gateway.stats()).connections.closed['answers-unread'], 0);
});
