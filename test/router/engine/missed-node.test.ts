import { connect } from '@nats-io/transport-node';
import t from 'tap';
import type { Outcome } from '../../../router/engine/engine.js';
import { Message } from '../../../router/index.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { natsEngineAt } from './engine-parts.js';

const server = await NatsServer.start({ jetStream: false });
const witness = await connect({ servers: server.url });
t.teardown(async () => {
  await witness.close();
  await server.stop();
});

t.test('who was taken for gone gets what is sent, and is in no count until its next word', async (t) => {
  const [here, there] = ['here', 'there'].map((name) =>
    natsEngineAt(server.url, { node: { name, group: '', role: 'both' } }),
  );
  let taken = 0;
  for (const engine of [here!, there!]) {
    t.teardown(() => engine.stop());
    await engine.open();
    await engine.start(
      () => (engine === there ? ++taken && 1 : 0),
      () => {},
    );
  }
  there!.addInterest('a');
  const count = () =>
    new Promise<Outcome>((resolve) => here!.publish(new Message('a', Buffer.from('x'), 1), 'count', resolve));
  await until('the nodes have met', async () => (await count()).delivered === 1);

  // As its silence does, when it was paused or cut off for more than 3.5 s.
  witness.publish('test.node', JSON.stringify({ word: 'bye', ...there!.cluster.self }));
  await until('it is taken for gone', () => here!.cluster.peers.length === 0);
  const before = taken;
  t.same(await count(), { delivered: 0, unanswered: 0, carried: 'yes' });
  await until('it has it all the same', () => taken === before + 1);
  const startMs = performance.now();
  await until('it is counted again', async () => (await count()).delivered === 1);
  t.ok(performance.now() - startMs < 2_000, 'it says that it is there once a second');
});
