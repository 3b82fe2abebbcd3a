import t, { type Test } from 'tap';
import { type Asked, StreamReader } from '../../../router/engine/nats/stream-reader.js';
import type { HistoryRule } from '../../../router/history/history-rules.js';
import { NatsServer } from '../../nats-server.js';
import { FilledStream } from './filled-stream.js';

/** The messages of one id, read out of a stream that other ids are in, too. The rule keeps three of each. */

const server = await NatsServer.start();
t.teardown(() => server.stop());

const everything = { offset: 0, position: Number.MAX_SAFE_INTEGER, heard: Number.MAX_SAFE_INTEGER };

async function filled(t: Test, rule: Partial<HistoryRule> = {}, bytesMax?: number): Promise<FilledStream> {
  const stream = await FilledStream.make(server.url, rule, bytesMax);
  t.teardown(() => stream.close());
  return stream;
}

/** What is read, as `text@sequence`, and where nothing is missing behind. */
async function read({ stream }: FilledStream, id: string, asked: Partial<Asked> = {}, bytesMax = 1_000_000) {
  const budget = { bytes: 0, bytesMax };
  const read = await new StreamReader(stream, budget).read(id, { ...everything, ...asked });
  return {
    texts: read.messages.map(({ payload, offset }) => `${Buffer.from(payload)}@${offset}`),
    floor: read.floor,
    unheard: read.unheard.map(({ sequence }) => sequence),
    unheardFrom: read.unheardFrom,
    budgetLeft: bytesMax - budget.bytes,
  };
}

t.test('what lies behind an offset is read, of this id alone, up to a position', async (t) => {
  const stream = await filled(t);
  for (const [id, text] of [
    ['a', 'one'],
    ['b', 'other'],
    ['a', 'two'],
    ['a', 'three'],
  ] as const)
    await stream.store(id, text);
  t.match(await read(stream, 'a'), { texts: ['one@1', 'two@3', 'three@4'], floor: 0 });
  t.match(await read(stream, 'a', { offset: 1 }), { texts: ['two@3', 'three@4'], floor: 1 });
  t.match(await read(stream, 'a', { position: 3 }), { texts: ['one@1', 'two@3'], floor: 0 });
  t.match(await read(stream, 'a', { offset: 4 }), { texts: [], floor: 4 });
  t.match(await read(stream, 'nobody'), { texts: [], floor: 0 });
});

t.test('of more than the rule keeps the last are read, and the floor says what is not', async (t) => {
  const stream = await filled(t);
  for (let n = 1; n <= 5; n++) await stream.store('a', `${n}`);
  t.match(await read(stream, 'a'), { texts: ['3@3', '4@4', '5@5'], floor: 2 });
});

t.test('of a very long history only the end is read', async (t) => {
  const stream = await filled(t);
  await Promise.all(Array.from({ length: 200 }, (_, n) => stream.store(n % 4 === 0 ? 'a' : 'b', `${n}`)));
  const sequences = await sequencesOf(stream, 'a');
  let asked = 0;
  const next = stream.stream.next.bind(stream.stream);
  stream.stream.next = (subject, sequence) => {
    asked++;
    return next(subject, sequence);
  };
  const { texts, floor } = await read(stream, 'a');
  t.same(texts.map(sequenceIn), sequences.slice(-3));
  t.equal(floor, sequences.at(-4));
  t.ok(asked <= 20, `${asked} messages were asked for, of ${sequences.length}`);
});

t.test('what has not been heard is given as it came, with where it is whole from', async (t) => {
  const stream = await filled(t);
  for (let n = 1; n <= 3; n++) await stream.store('a', `${n}`);
  t.match(await read(stream, 'a', { offset: 1, heard: 2 }), {
    texts: ['2@2', '3@3'],
    unheard: [3],
    unheardFrom: 1,
  });
  const older = await read(stream, 'a', { offset: 2, heard: 0 });
  t.match(
    older,
    { texts: ['1@1', '2@2', '3@3'], unheard: [1, 2, 3], unheardFrom: 0 },
    'older than what is asked for, too',
  );
  await stream.store('a', '4');
  t.match(await read(stream, 'a', { heard: 0 }), { unheard: [2, 3, 4], unheardFrom: 1 }, 'and not all of it');
});

t.test('what has left the stream is below the floor', async (t) => {
  const stream = await filled(t);
  for (let n = 1; n <= 3; n++) await stream.store('a', `${n}`);
  await stream.purge({ seq: 3 });
  t.match(await read(stream, 'a'), { texts: ['3@3'], floor: 2 });
});

t.test('no more payload is held than the budget has room for, and it is given back', async (t) => {
  const stream = await filled(t);
  for (let n = 1; n <= 3; n++) await stream.store('a', `${n}`.repeat(100));
  const { texts, floor, budgetLeft } = await read(stream, 'a', {}, 250);
  t.same(texts.map(sequenceIn), [2, 3]);
  t.equal(floor, 1);
  t.equal(budgetLeft, 250);
  t.same((await read(stream, 'a', {}, 50)).texts.map(sequenceIn), [3], 'one is read in any case');
  const gone = await filled(t);
  const budget = { bytes: 0, bytesMax: 250 };
  gone.stream.state = () => Promise.reject(new Error('the stream is gone'));
  await gone.store('a', '1');
  await t.rejects(new StreamReader(gone.stream, budget).read('a', everything), /the stream is gone/);
  t.equal(budget.bytes, 0, 'be it in vain');
});

t.test('what nobody of this house has stored is left out', async (t) => {
  const stream = await filled(t);
  await stream.storeRaw('a', Buffer.from('no envelope'));
  await stream.store('a', 'one');
  t.match(await read(stream, 'a'), { texts: ['one@2'], floor: 0 });
});

function sequenceIn(text: string): number {
  return Number(text.split('@')[1]);
}

/** All of an id, one by one. */
async function sequencesOf({ stream }: FilledStream, id: string): Promise<number[]> {
  const sequences: number[] = [];
  for (let from = 1; ; ) {
    const found = await stream.next(stream.subjectPrefix + id, from);
    if (found === undefined) return sequences;
    sequences.push(found.sequence);
    from = found.sequence + 1;
  }
}
