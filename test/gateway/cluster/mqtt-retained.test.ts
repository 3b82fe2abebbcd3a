import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import { publish } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { CuttableWay } from '../../cuttable-way.js';
import type { GatewayProcess } from '../../gateway-process.js';
import type { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { connectRaw } from '../mqtt/raw-client.js';
import { knowEachOther, startNats, startNode, startNodes } from './mqtt-nodes.js';

/** What is retained is retained on every node, also on those that start later or were cut off. */

const retained = async (node: GatewayProcess) => (await node.stats()).router.retained;
const noSys = ['--mqtt-sys-interval', '0'];

/** What a new subscriber of the node is sent, as "topic payload" in the order of the topics. */
async function retainedOn(t: Test, node: GatewayProcess, filter = '#'): Promise<string[]> {
  const client = await connectRaw(t, node);
  await client.subscribe(filter, 2);
  const packets = await client.untilPong();
  await client.disconnect();
  return packets
    .flatMap((p) => (p.type === 'PUBLISH' && p.retain ? [`${p.topic} ${p.payload} ${p.qos}`] : []))
    .sort();
}

async function manager(t: Test, nats: NatsServer) {
  const connection = await connect({ servers: nats.url });
  t.teardown(() => connection.close());
  return jetstreamManager(connection);
}

t.test('what is retained on one node is there for who subscribes on another', async (t) => {
  const { nodes } = await startNodes(t, 2, ...noSys);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const live = await connectRaw(t, b);
  await live.subscribe('#');
  const publisher = await connectRaw(t, a);
  for (const qos of [0, 1, 2]) await publisher.publish(`t/${qos}`, 'x', { qos, retain: true });
  for (const packet of await live.nextPublishes(3)) t.equal(packet.retain, false, 'live it is not marked');
  t.same(await retainedOn(t, b), ['t/0 x 0', 't/1 x 1', 't/2 x 2']);
  await publisher.publish('t/1', 'y', { retain: true });
  await publisher.publish('t/2', '', { retain: true });
  await publisher.publish('t/0', 'not retained');
  await live.nextPublishes(3);
  for (const node of nodes) t.same(await retainedOn(t, node), ['t/0 x 0', 't/1 y 1']);
});

t.test('a node that starts later has what is retained when it listens', async (t) => {
  const nats = await startNats(t);
  const a = await startNode(t, nats, 'a', ...noSys);
  const publisher = await connectRaw(t, a);
  const count = 1_200; // more than two batches
  for (let n = 0; n < count; n++) await publisher.publish(`many/${n}`, `v${n}`, { retain: true });
  const odd = ['/', 'a//b', 'with space', 'dot.s', '*', '100%', 'ünïcode'];
  for (const topic of odd) await publisher.publish(topic, 'odd', { qos: 2, retain: true });
  for (let n = 0; n < count; n += 2) await publisher.publish(`many/${n}`, '', { retain: true });
  const b = await startNode(t, nats, 'b', ...noSys);
  t.equal(await retained(b), count / 2 + odd.length, 'at once');
  t.same(await retainedOn(t, b), await retainedOn(t, a));
  t.match(b.log, /nats: retained/);
});

t.test('it is there when the node that published it is not any more', async (t) => {
  const nats = await startNats(t);
  const a = await startNode(t, nats, 'a', ...noSys);
  await (await connectRaw(t, a)).publish('x', 'kept', { retain: true });
  await a.kill();
  const b = await startNode(t, nats, 'b', ...noSys);
  t.same(await retainedOn(t, b), ['x kept 1']);
  await b.kill();
  await nats.restart();
  const c = await startNode(t, nats, 'c', ...noSys);
  t.same(await retainedOn(t, c), ['x kept 1'], 'nor when nats-server was started anew');
});

t.test('what was cleared leaves nothing in the stream', async (t) => {
  const nats = await startNats(t);
  const a = await startNode(t, nats, 'a', ...noSys);
  const publisher = await connectRaw(t, a);
  for (let n = 0; n < 50; n++) await publisher.publish(`x/${n}`, 'x', { retain: true });
  for (let n = 0; n < 49; n++) await publisher.publish(`x/${n}`, '', { retain: true });
  const streams = (await manager(t, nats)).streams;
  const messages = async () => (await streams.info('encke-retained')).state.messages;
  await until('one message is left', async () => (await messages()) === 1);
  await publisher.publish('x/49', '', { retain: true });
  await a.kill(); // before it takes it out
  t.equal(await messages(), 1);
  const b = await startNode(t, nats, 'b', ...noSys);
  t.equal(await retained(b), 0);
  await until('the next node takes it out', async () => (await messages()) === 0);
});

t.test('a node that was cut off gets to where the others are', async (t) => {
  const nats = await startNats(t);
  const way = await CuttableWay.start(nats.port);
  t.teardown(() => way.stop());
  const a = await startNode(t, nats, 'a', ...noSys);
  const b = await startNode(t, way, 'b', ...noSys);
  const onA = await connectRaw(t, a);
  for (const topic of ['kept', 'changed', 'cleared']) await onA.publish(topic, 'old', { retain: true });
  await until('b has them', async () => (await retained(b)) === 3);
  way.cut();
  await until('it knows', () => b.log.includes('nats: lost'));
  await onA.publish('changed', 'new', { retain: true });
  await onA.publish('cleared', '', { retain: true });
  const onB = await connectRaw(t, b);
  await onB.publish('changed', 'of b alone', { qos: 0, retain: true });
  await onB.publish('new', 'of b alone', { qos: 0, retain: true });
  t.equal(await retained(b), 4, 'while it is alone it has its own');
  const streams = (await manager(t, nats)).streams;
  await until('nothing is left of what was cleared', async () => {
    return (await streams.info('encke-retained')).state.messages === 2;
  });
  way.giveBack();
  await until('it has read the stream again', () => b.log.split('nats: retained').length === 3);
  for (const node of [a, b]) t.same(await retainedOn(t, node), ['changed new 1', 'kept old 1']);
});

t.test('a stream that NATS has lost takes nothing from the nodes', async (t) => {
  const { nats, nodes } = await startNodes(t, 1, ...noSys);
  const [a] = nodes as [GatewayProcess];
  await (await connectRaw(t, a)).publish('x', 'kept', { retain: true });
  await (await manager(t, nats)).streams.delete('encke-retained');
  await nats.restart();
  await until('it has made another', () => a.log.split('nats: retained').length === 3);
  t.same(await retainedOn(t, a), ['x kept 1']);
});

t.test('the stream has the limits of the nodes', async (t) => {
  const nats = await startNats(t);
  await startNode(t, nats, 'a', ...noSys, '--mqtt-max-retained', '10');
  const streams = (await manager(t, nats)).streams;
  t.match((await streams.info('encke-retained')).config, {
    subjects: ['encke.r.>'],
    storage: 'file',
    max_msgs: 10,
    max_bytes: 256 * 1024 * 1024,
    max_msgs_per_subject: 1,
    discard: 'new',
  });
  const b = await startNode(t, nats, 'b', ...noSys, '--mqtt-max-retained', '20');
  t.match((await streams.info('encke-retained')).config, { max_msgs: 20 });
  const publisher = await connectRaw(t, b);
  for (let n = 0; n < 25; n++) await publisher.publish(`x/${n}`, 'x', { retain: true });
  await publisher.publish('x/0', 'again', { retain: true });
  t.equal(await retained(b), 20);
  const c = await startNode(t, nats, 'c', ...noSys, '--mqtt-max-retained', '20');
  t.same(await retainedOn(t, c), await retainedOn(t, b));
  t.ok((await retainedOn(t, c)).includes('x/0 again 1'));
});

t.test('without JetStream a node starts with nothing retained, and says so', async (t) => {
  const nats = await startNats(t, { jetStream: false });
  const flags = [...noSys, '--history-rules', '# 0 0'];
  const a = await startNode(t, nats, 'a', ...flags);
  t.match(a.log, /what was retained before is not known here .*start nats-server with -js/);
  const publisher = await connectRaw(t, a);
  await publisher.publish('x', 'early', { retain: true });
  const b = await startNode(t, nats, 'b', ...flags);
  await knowEachOther([a, b]);
  t.same(await retainedOn(t, b), []);
  await publisher.publish('y', 'live', { retain: true });
  await until('it is there', async () => (await retained(b)) === 1);
  t.same(await retainedOn(t, b), ['y live 1']);
});

t.test('what two nodes publish in the same moment ends as the same on all', async (t) => {
  const { nats, nodes } = await startNodes(t, 3, ...noSys);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess, GatewayProcess];
  const [onA, onB] = [await connectRaw(t, a), await connectRaw(t, b)];
  const topics = Array.from({ length: 200 }, (_, n) => `x/${n}`);
  // One packet right behind the other, on both at once: on each node its own came first.
  for (const topic of topics) {
    onA.send(publish(topic, 'a', { retain: true }));
    onB.send(publish(topic, 'b', { retain: true }));
  }
  await Promise.all([onA.untilPong(), onB.untilPong()]);
  await until('all have the same', async () => {
    const kept = await Promise.all(nodes.map(async (node) => (await retainedOn(t, node)).join()));
    return new Set(kept).size === 1 && kept[0]!.split(',').length === topics.length;
  });
  const late = await startNode(t, nats, 'late', ...noSys);
  t.same(await retainedOn(t, late), await retainedOn(t, a), 'and as the stream has it');
});
