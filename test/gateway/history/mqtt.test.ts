import t from 'tap';
import * as bytes from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { RawClient } from '../../integration/session-model/raw-client.js';
import { connectPacket, publishPacket, subscribePacket } from '../../mqtt-bytes.js';
import { cursorAt } from '../../one-process.js';
import { SeededRandom } from '../../seeded-random.js';
import { until } from '../../until.js';
import { cursorNow, poll, startQuietly } from './ask-poll.js';

const gateway = await startQuietly();
t.teardown(() => gateway.kill());
const { port } = gateway;
const random = new SeededRandom();

/** A client that acknowledges what it gets. */
function connect(clientId: string, clean: boolean) {
  const texts: string[] = [];
  const client = new RawClient(port, random, {
    onPacket: (packet) => {
      if (packet.type === 'PUBLISH') {
        texts.push(packet.payload.toString());
        client.send(bytes.puback(packet.id));
      } else acknowledged.count++;
    },
    onClosed: () => undefined,
  });
  const acknowledged = { count: 0 };
  client.send(connectPacket(clientId, { clean }));
  return { client, texts, acknowledged };
}

t.test(
  'a session that comes back and a client that resumes see the same, in the same order, whoever published',
  async (t) => {
    const id = 'both/ways';
    const first = connect('stays', false);
    first.client.send(subscribePacket(1, id, 1));
    await until('it has subscribed', () => first.acknowledged.count === 2);
    first.client.drop('end');
    await until('it is away', async () => (await gateway.stats()).connections.open === 0);
    const cursor = await cursorNow(port, `/${id}`);
    const publisher = connect('publisher', true);
    const sent: string[] = [];
    for (let n = 1; n <= 60; n++) {
      const text = `m${n}`;
      sent.push(text);
      if (random.chance(0.5)) await gateway.send(id, text);
      else {
        const { count } = publisher.acknowledged;
        publisher.client.send(publishPacket(id, text, 1, n));
        if (n > 1) await until('it is acknowledged', () => publisher.acknowledged.count > count);
        else await until('it is acknowledged', () => publisher.acknowledged.count === 2);
      }
    }
    const resumed = await poll(port, `poll/${id}?cursor=${cursor}`);
    t.same(resumed.texts, sent);
    t.equal(resumed.recovered, true);
    t.match(resumed.cursor, cursorAt(60), 'offsets are one sequence');
    const back = connect('stays', false);
    await until('it has all', () => back.texts.length === sent.length);
    t.same(back.texts, sent);
    for (const { client } of [publisher, back]) client.drop('end');
  },
);
