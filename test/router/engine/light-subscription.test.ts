import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connect } from '@nats-io/transport-node';
import t from 'tap';
import { lightened } from '../../../router/engine/nats/light-subscription.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');
const server = await NatsServer.start({ jetStream: false });
t.teardown(() => server.stop());

t.test(
  'a subscription without what it does not use hears, before NATS was away and after, until it ends',
  async (t) => {
    const connection = await connect({ servers: server.url, reconnectTimeWait: 50 });
    const heard: string[] = [];
    const subscribe = (name: string) =>
      lightened(
        connection.subscribe('x', {
          callback: (_, message) => void heard.push(`${name} ${message.string()}`),
        }),
      );
    const [one] = [subscribe('one'), subscribe('two')];
    const publish = async (text: string) => {
      connection.publish('x', text);
      await connection.flush();
    };
    await publish('first');
    t.same(heard.splice(0).sort(), ['one first', 'two first']);
    await server.restart();
    await until('it is back', () =>
      connection.flush().then(
        () => true,
        () => false,
      ),
    );
    await publish('second');
    t.same(heard.splice(0).sort(), ['one second', 'two second']);
    one!.unsubscribe();
    await publish('third');
    t.same(heard, ['two third']);
    t.ok(one!.isClosed());
    await connection.close();
  },
);

t.test('it weighs less than half', async (t) => {
  const connection = await connect({ servers: server.url });
  const callback = () => {};
  const bytesOf = async (light: boolean) => {
    const count = 5_000;
    const before = heapUsed();
    for (let n = 0; n < count; n++) {
      const subscription = connection.subscribe(`${light}.${n}`, { callback });
      if (light) lightened(subscription);
    }
    await connection.flush();
    return (heapUsed() - before) / count;
  };
  const heavy = await bytesOf(false);
  const light = await bytesOf(true);
  t.ok(
    light < heavy / 2,
    `${Math.round(light)} B of ${Math.round(heavy)}: look at the fields of the client's subscription`,
  );
  t.comment(`${Math.round(light)} B of ${Math.round(heavy)}`);
  await connection.close();
});

function heapUsed(): number {
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}
