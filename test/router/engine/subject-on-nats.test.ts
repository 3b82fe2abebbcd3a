import { connect, type NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import { subjectOfId, subjectsOfFilter } from '../../../router/engine/nats/subject.js';
import { idBytesMaxDefault, matches } from '../../../router/index.js';
import { NatsServer } from '../../nats-server.js';
import { SeededRandom } from '../../seeded-random.js';
import { filterNear, longestId, randomId } from './subjects.js';

/** What the mapping of topics promises, held against a real nats-server. */

const server = await NatsServer.start({ jetStream: false });
const publisher = await connect({ servers: server.url });
t.teardown(async () => {
  await publisher.close();
  await server.stop();
});

t.test('every legal id arrives under its own subject, and under that alone', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);
  const whitespaceOnly = longestId(random, idBytesMaxDefault, () => '\u3000');
  const controlOnly = '\u0001'.repeat(idBytesMaxDefault); // the longest subject that there is
  const deepest = `${'/'.repeat(127)}x`;
  const ids = new Set([whitespaceOnly, controlOnly, deepest]);
  while (ids.size < 3_000)
    ids.add(ids.size % 50 === 0 ? longestId(random, idBytesMaxDefault) : randomId(random));
  const arrived = await deliveries(publisher, [...ids], [...ids].map(subjectOfId));
  t.same(
    arrived,
    [...ids].map((_, i) => [i]),
  );
});

t.test('what a filter matches arrives under its subjects, once for each', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);
  const filters: string[] = [];
  const ids = Array.from({ length: 400 }, () => randomId(random));
  for (const id of ids) if (filters.length < 200) filters.push(filterNear(random, id));
  const subscriptions = filters.flatMap((filter) =>
    subjectsOfFilter(filter).map((subject) => ({ filter, subject })),
  );
  const arrived = await deliveries(
    publisher,
    ids,
    subscriptions.map(({ subject }) => subject),
  );
  const missed: unknown[] = [];
  const needless: unknown[] = [];
  let matched = 0;
  for (const [i, id] of ids.entries()) {
    const by = arrived[i]!.map((number) => subscriptions[number]!.filter);
    for (const filter of new Set(filters)) {
      const uses = filters.filter((other) => other === filter).length;
      const copies = by.filter((other) => other === filter).length;
      const wanted = matches(filter, id);
      if (wanted) matched++;
      if (wanted && copies !== uses) missed.push([filter, id, copies]);
      if (!wanted && copies > 0 && !id.startsWith('$')) needless.push([filter, id]);
    }
  }
  t.same(missed, []);
  t.same(needless, []);
  t.ok(matched > 200, `${matched} matches`);
});

/** Publishes to each id. @returns which of the subscriptions it arrived under, for each id */
async function deliveries(
  publisher: NatsConnection,
  ids: string[],
  subscriptions: string[],
): Promise<number[][]> {
  const prefix = 'encke.m.';
  const arrived: number[][] = ids.map(() => []);
  const receiver = await connect({ servers: server.url });
  for (const [number, subject] of subscriptions.entries())
    receiver.subscribe(prefix + subject, {
      callback: (_error, message) => void arrived[Number(message.string())]!.push(number),
    });
  await receiver.flush();
  for (const [i, id] of ids.entries()) publisher.publish(prefix + subjectOfId(id), `${i}`);
  await publisher.flush();
  await receiver.flush(); // behind all that was published
  await receiver.close();
  return arrived;
}
