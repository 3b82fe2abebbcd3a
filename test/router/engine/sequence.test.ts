import t from 'tap';
import type { Link } from '../../../router/engine/nats/link.js';
import { Sequence } from '../../../router/engine/nats/sequence.js';
import { markToken } from '../../../router/engine/nats/stored-message.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { FilledStream } from './filled-stream.js';

const server = await NatsServer.start();
t.teardown(() => server.stop());

const run = 7;

/** A node that follows a stream, and is sent nothing of it but its own marks. */
async function follow(filled: FilledStream) {
  const { stream } = filled;
  const out: string[] = [];
  const link = {
    carries: true,
    connected: true,
    publish(_subject: string, data: Uint8Array) {
      const own = Uint8Array.from(data);
      void filled
        .storeRaw(`${markToken}.${run}`, own)
        .then((position) => sequence.markArrived(own, position));
      return true;
    },
  };
  const sequence: Sequence = new Sequence(
    stream,
    await stream.state(),
    link as unknown as Link,
    { run, budget: { bytes: 0, bytesMax: 1_000_000 }, nodes: () => 1, isExact: () => true },
    { handOut: ({ payload }) => out.push(payload.toString()), onGap() {}, onTrouble() {}, onAnew() {} },
  );
  t.teardown(() => sequence.stop());
  return { sequence, out };
}

t.test('what is handed out by catching up is not handed out again by who resumes meanwhile', async (t) => {
  const filled = await FilledStream.make(server.url);
  t.teardown(() => filled.close());
  const { stream } = filled;
  const { sequence, out } = await follow(filled);
  await filled.store('a', 'one');

  const read = stream.next.bind(stream);
  let begun = false;
  let goOn = () => {};
  const mayGoOn = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  stream.next = async (...asked) => {
    begun = true;
    await mayGoOn;
    return read(...asked);
  };
  const loading = sequence.load('a', 0, performance.now() + 10_000);
  await until('it reads what is kept', () => begun);
  await sequence.catchUp();
  t.same(out, ['one']);
  goOn();
  const loaded = await loading;
  t.same(
    loaded!.messages.map(({ payload }) => String(payload)),
    ['one'],
  );
  t.same(out, ['one']);
});
