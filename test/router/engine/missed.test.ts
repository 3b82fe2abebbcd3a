import t, { type Test } from 'tap';
import type { Come } from '../../../router/engine/nats/id-order.js';
import { handOutMissed, missedBetween } from '../../../router/engine/nats/missed.js';
import { markToken } from '../../../router/engine/nats/stored-message.js';
import { NatsServer } from '../../nats-server.js';
import { FilledStream } from './filled-stream.js';

/** What a stream has stored while this node was away. */

const server = await NatsServer.start();
t.teardown(() => server.stop());

const never = new AbortController().signal;

async function filled(t: Test, messages: number): Promise<FilledStream> {
  const stream = await FilledStream.make(server.url);
  t.teardown(() => stream.close());
  for (let n = 1; n <= messages; n++) await stream.store(n % 2 === 0 ? 'even/ids' : 'odd', `${n}`);
  return stream;
}

async function handedOut({ stream }: FilledStream, missed: Awaited<ReturnType<typeof missedBetween>>) {
  const out: Come[] = [];
  await handOutMissed(stream, missed, never, (come) => out.push(come));
  return out.map(({ id, sequence }) => `${id} ${sequence}`);
}

t.test('it is all that lies behind a position, up to another, of all ids, in order', async (t) => {
  const filledStream = await filled(t, 6);
  const missed = await missedBetween(filledStream.stream, 2, 5, never);
  t.equal(missed.mayLack, false);
  t.same(await handedOut(filledStream, missed), ['odd 3', 'even/ids 4', 'odd 5']);
  t.same((await missedBetween(filledStream.stream, 6, 6, never)).messages, [], 'or nothing');
});

t.test('it may lack something where the oldest that is kept lies behind the position', async (t) => {
  const filledStream = await filled(t, 6);
  const { stream } = filledStream;
  await filledStream.purge({ seq: 4 });
  const missed = await missedBetween(stream, 2, 6, never);
  t.equal(missed.mayLack, true);
  t.same(
    missed.messages.map(({ sequence }) => sequence),
    [4, 5, 6],
  );
  t.equal((await missedBetween(stream, 3, 6, never)).mayLack, false, 'and not where it is the next one');
});

t.test('marks, and what nobody of this house has stored, are for nobody', async (t) => {
  const filledStream = await filled(t, 1);
  await filledStream.storeRaw(`${markToken}.77`, Buffer.from('1'));
  await filledStream.storeRaw('%zz', Buffer.from('no id'));
  await filledStream.store('odd', 'last');
  t.same(await handedOut(filledStream, await missedBetween(filledStream.stream, 0, 4, never)), [
    'odd 1',
    'odd 4',
  ]);
});

t.test('who is no longer interested ends it', async (t) => {
  const { stream } = await filled(t, 4);
  const reading = new AbortController();
  reading.abort();
  await t.rejects(missedBetween(stream, 0, 4, reading.signal));
  const handing = new AbortController();
  const out: number[] = [];
  await handOutMissed(stream, await missedBetween(stream, 0, 4, never), handing.signal, ({ sequence }) => {
    out.push(sequence);
    if (sequence === 2) handing.abort();
  });
  t.same(out, [1, 2]);
});
