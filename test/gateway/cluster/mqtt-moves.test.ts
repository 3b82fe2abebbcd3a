import t from 'tap';
import { puback, pubcomp, publish, pubrec, pubrel } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { SeededRandom } from '../../seeded-random.js';
import { until } from '../../until.js';
import { connectRaw, tryRaw } from '../mqtt/raw-client.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/**
 * Clients that go from node to node at random moments, some cut and some taken over, while messages flow to them and
 * from them at QoS 1 and 2, on Redis: nothing is lost, nothing comes twice at QoS 2, and all comes in order.
 */

const moves = 100;

/** A client that takes and acknowledges in random pieces, over any number of connections. */
class Roamer {
  readonly received: { 1: string[]; 2: string[] } = { 1: [], 2: [] };
  lost = 0;
  /** Packet ids at QoS 2 that it has, and has had no PUBREL for. */
  readonly #held = new Set<number>();
  #client: RawMqtt | undefined;
  #reading: Promise<void> = Promise.resolve();
  readonly #random: SeededRandom;
  readonly clientId: string;

  constructor(clientId: string, random: SeededRandom) {
    this.clientId = clientId;
    this.#random = random;
  }

  async connect(node: GatewayProcess, first = false): Promise<void> {
    const before = this.#client;
    const { client, code, sessionPresent } = await tryRaw(t, node, { clientId: this.clientId, clean: false });
    if (code !== 0) throw new Error(`return code ${code}`);
    if (!sessionPresent && !first) this.lost++;
    if (before !== undefined && !before.closed) await before.untilClosed(); // taken over
    await this.#reading;
    this.#client = client;
    if (first) for (const qos of [1, 2]) await client.subscribe(`${this.clientId}/${qos}`, qos);
    this.#reading = this.#read(client);
  }

  async drop(): Promise<void> {
    await this.#client!.drop();
    await this.#reading;
  }

  async #read(client: RawMqtt): Promise<void> {
    try {
      for (;;) {
        const packet = await client.next();
        // Unacknowledged messages come again.
        const isSlow = this.#random.chance(0.1);
        if (packet.type === 'PUBLISH') {
          if (packet.qos === 1) {
            this.received[1].push(packet.payload);
            if (!isSlow) client.send(puback(packet.id!));
          } else {
            if (!this.#held.has(packet.id!)) this.received[2].push(packet.payload);
            this.#held.add(packet.id!);
            if (!isSlow) client.send(pubrec(packet.id!));
          }
        } else if (packet.type === 'PUBREL') {
          this.#held.delete(packet.id);
          client.send(pubcomp(packet.id));
        }
      }
    } catch {
      // It is closed, or quiet for long.
    }
  }
}

const redis = await redisServer(t);
const other = await redisServer(t);

for (const urls of [[redis.url], [redis.url, other.url]]) {
  t.test(`${urls.length} server(s): ${moves} moves of 5 clients while messages flow`, async (t) => {
    const random = new SeededRandom();
    t.comment(`ENCKE_TEST_SEED=${random.seed}`);
    const flags = [
      '--name',
      `roam_${urls.length}`,
      '--mqtt-retry-interval',
      '1',
      '--mqtt-max-inflight',
      '10',
    ];
    const nodes = await startRedisNodes(t, urls, ['a', 'b', 'c'], flags);
    const roamers = Array.from({ length: 5 }, (_, n) => new Roamer(`roamer-${n}`, random));
    for (const roamer of roamers) await roamer.connect(random.pick(nodes), true);
    let sent = 0;
    let sent2 = 0;
    let isOver = false;
    const flow = [1, 2].map(async (qos) => {
      for (let n = 0; !isOver; n++) {
        // One after the other, so that the order over all nodes is known.
        const { apiUrl } = nodes[(n + qos) % 2]!;
        await Promise.all(
          roamers.map(({ clientId }) => sendTo(`${apiUrl}/send/${clientId}/${qos}?qos=${qos}&wait=0`, n)),
        );
        if (qos === 1) sent = n + 1;
        else sent2 = n + 1;
      }
    });

    for (let move = 0; move < moves; move++) {
      const roamer = random.pick(roamers);
      if (random.chance(0.5)) await roamer.drop();
      if (random.chance(0.3)) await new Promise((resolve) => setTimeout(resolve, random.below(50)));
      await roamer.connect(random.pick(nodes));
    }
    isOver = true;
    await Promise.all(flow);
    t.ok(sent > 50 && sent2 > 50, `${sent} and ${sent2} messages to each`);
    const last = (texts: string[]) => texts.at(-1);
    await until(
      'all is there',
      () =>
        roamers.every(
          ({ received }) =>
            last(received[1]) !== undefined &&
            new Set(received[1]).size === sent &&
            received[2].length >= sent2,
        ),
      20_000,
    ).catch(() => {});
    for (const roamer of roamers) {
      const all = (count: number) => Array.from({ length: count }, (_, n) => `${n}`);
      t.same(
        [...new Set(roamer.received[1])],
        all(sent),
        `${roamer.clientId}: QoS 1, in order of first arrival`,
      );
      t.same(roamer.received[2], all(sent2), `${roamer.clientId}: QoS 2, each once, in order`);
      t.equal(roamer.lost, 0, 'no session was lost');
    }
  });
}

t.test('a QoS 2 message of a client is taken once, wherever it sends PUBREL', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const nodes = await startRedisNodes(t, [redis.url], ['a', 'b'], ['--name', 'sender']);
  const witness = await connectRaw(t, nodes[0]!);
  await witness.subscribe('from/#', 2);
  const options = { clientId: 'sender', clean: false };
  let { client } = await tryRaw(t, nodes[0]!, options);
  for (let n = 0; n < 40; n++) {
    const id = 1 + (n % 3);
    client.send(publish('from/sender', `${n}`, { qos: 2, id }));
    for (let tries = 0, isReleased = false; ; tries++) {
      const cut = random.below(3);
      if (cut > 0) {
        if (cut === 2) await client.drop();
        ({ client } = await tryRaw(t, nodes[(n + tries) % 2]!, options));
        client.send(isReleased ? pubrel(id) : publish('from/sender', `${n}`, { qos: 2, id, dup: true }));
      }
      if (!isReleased) {
        t.match(await client.next(), { type: 'PUBREC', id });
        client.send(pubrel(id));
        isReleased = true;
        if (random.chance(0.5)) continue;
      }
      t.match(await client.next(), { type: 'PUBCOMP', id });
      break;
    }
    const message = await witness.nextPublish();
    t.equal(message.payload, `${n}`);
    witness.send(pubrec(message.id!));
    t.match(await witness.next(), { type: 'PUBREL' });
    witness.send(pubcomp(message.id!));
  }
  t.same(await witness.untilPong(), []);
});

async function sendTo(url: string, n: number): Promise<void> {
  const { status } = await fetch(url, { method: 'POST', body: `${n}` });
  if (status !== 202) throw new Error(`${url}: ${status}`);
}
