import t from 'tap';
import { connect, publish } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { openRaw, tryRaw } from '../mqtt/raw-client.js';
import { StuckClient } from '../mqtt/stuck-client.js';
import { openStream } from '../raw-wire.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Packets of a client's former connection are handled before its next connection gets CONNACK, on any node. */

const redis = await redisServer(t);
const mqttOf = async (node: GatewayProcess) => (await node.stats()).mqtt;

for (const clean of [true, false]) {
  t.test(
    `packets of a client are handled before another node says CONNACK, clean session ${Number(clean)}`,
    async (t) => {
      const flags = ['--turn-budget-ms', '1', '--history-rules', '# 0 0', '--name', `sent_${clean}`];
      const [d, e] = (await startRedisNodes(t, [redis.url], ['d', 'e'], flags)) as [
        GatewayProcess,
        GatewayProcess,
      ];
      const numbers = Array.from({ length: 10_000 }, (_, n) => String(n));
      const stream = await openStream(e.port, '/stream/out');
      const dataSeen = () => [...stream.text.matchAll(/"data":"(\w+)"/g)].map(([, data]) => data);
      const options = { clientId: 'mover', clean };
      const first = await StuckClient.connect(d, options);
      t.teardown(() => first.destroy());
      first.resume();
      first.send(...numbers.map((number) => publish('out', number)));
      await until('it has come', async () => (await mqttOf(d)).bytesReceived > 100_000);
      const { client: second, sessionPresent } = await tryRaw(t, e, options);
      t.equal(sessionPresent, !clean);
      const before = (await mqttOf(d)).publishesReceived[0];
      second.send(publish('out', 'again'));
      await until('all have come', () => dataSeen().includes('again'), 30_000);
      t.same(dataSeen(), [...numbers, 'again'], 'in order, once each');
      t.equal(before, 10_000, 'all were handled by then');
      await until('the first is closed', () => first.closed || first.takeCloseCode() === 1008);
      t.equal((await d.stats()).connections.closed['taken-over'], 1);
    },
  );
}

t.test('five connections that come one after the other are served in that order', async (t) => {
  const flags = ['--turn-budget-ms', '1', '--history-rules', '# 0 0', '--name', 'five'];
  const [node] = await startRedisNodes(t, [redis.url], ['d'], flags);
  const stream = await openStream(node!.port, '/stream/out');
  const texts = (sender: number) => Array.from({ length: 500 }, (_, n) => `${sender}x${n}`);
  for (let sender = 0; sender < 5; sender++) {
    const client = await openRaw(t, node!);
    const packets = texts(sender).map((text) => publish('out', text));
    client.send(connect({ clientId: 'five', clean: sender % 2 === 0 }), ...packets);
  }
  const seen = () => [...stream.text.matchAll(/"data":"(\w+)"/g)].map(([, data]) => data);
  await until('all have come', () => seen().length >= 2_500, 30_000);
  t.same(seen(), [0, 1, 2, 3, 4].flatMap(texts), 'in order, once each');
  t.match((await mqttOf(node!)).sessions, { takenOver: 4, sessions: 1 });
});
