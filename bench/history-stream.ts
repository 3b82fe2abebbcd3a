/**
 * The question: what does a message cost that takes its way through a JetStream stream, and is it in order? The same
 * stream published to directly and by way of another one that only queues, with and without a limit for each subject;
 * then how long a message takes, and a read of what is kept.
 *
 *     npm run build && node dist/bench/history-stream.js [messages]
 *
 * What other processes do at the same time spoils the rates and latencies; µs of CPU stand that better.
 */
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { serverUsage } from '../floodtest/server-usage.js';
import { placeOf } from '../router/engine/nats/place.js';
import { NatsServer } from '../test/nats-server.js';
import { until } from '../test/until.js';

const messages = Number(process.argv[2] ?? 120_000);
const subjects = 1_000;
const body = Buffer.alloc(122);
const perTurn = 200;
const probes = 2_000;

interface Way {
  readonly name: string;
  readonly queued: boolean;
  readonly storage: 'file' | 'memory';
  readonly perSubject?: number;
}

const ways: readonly Way[] = [
  { name: 'directly', queued: false, storage: 'file' },
  { name: 'directly, at most 101 a subject', queued: false, storage: 'file', perSubject: 101 },
  { name: 'by way of a queue', queued: true, storage: 'file' },
  { name: 'directly, in memory', queued: false, storage: 'memory' },
];

const nats = await NatsServer.start();
const connections = await Promise.all(Array.from({ length: 4 }, () => connect({ servers: nats.url })));
const [reader, ...publishers] = connections as [NatsConnection, ...NatsConnection[]];
const manager = await jetstreamManager(reader);

console.log(
  `Node ${process.version}, nats-server ${reader.info?.version}; ${messages} messages of ${body.length} B`,
);
console.log(
  'way | publishers | messages/s | nats-server, µs CPU a message | behind a later one: of all, of its subject',
);
for (const way of ways) {
  for (const count of way.storage === 'memory' ? [1] : [1, 3]) await rateOf(way, publishers.slice(0, count));
}
console.log('way | p50 ms | p99 ms, one at a time');
for (const way of ways.filter(({ storage }) => storage === 'file')) await latencyOf(way);
await readsOf();
for (const connection of connections) await connection.close();
await nats.stop();

async function makeStream({ queued, storage, perSubject }: Way): Promise<string> {
  for (const name of ['keeps', 'queues']) await manager.streams.delete(name).catch(() => false);
  const limits = { max_age: 60e9, max_bytes: 64 * 1024 * 1024, duplicate_window: 1e9 };
  await manager.streams.add({
    ...limits,
    ...{
      name: 'keeps',
      subjects: ['h.>'],
      storage,
      allow_direct: true,
      republish: { src: 'h.>', dest: 'm.>' },
    },
    ...(perSubject === undefined ? {} : { max_msgs_per_subject: perSubject }),
  });
  if (!queued) return 'h.';
  await manager.streams.add({
    ...{ name: 'queues', subjects: ['i.>'], storage: 'memory', max_msgs: 1, duplicate_window: 1e9 },
    republish: { src: 'i.>', dest: 'h.>' },
  });
  return 'i.';
}

async function rateOf(way: Way, from: readonly NatsConnection[]): Promise<void> {
  const prefix = await makeStream(way);
  let [come, highest, late, lateOfSubject] = [0, 0, 0, 0];
  const last = new Map<string, number>();
  const subscription = reader.subscribe('m.*', {
    callback: (_error, message) => {
      const { sequence } = placeOf(message)!;
      come++;
      if (sequence < highest) late++;
      if (sequence < (last.get(message.subject) ?? 0)) lateOfSubject++;
      highest = Math.max(highest, sequence);
      last.set(message.subject, Math.max(sequence, last.get(message.subject) ?? 0));
    },
  });
  await reader.flush();
  // A stream in memory looks through all that it has for each.
  const all = way.storage === 'memory' ? Math.min(messages, 40_000) : messages;
  const each = Math.floor(all / from.length / perTurn) * perTurn;
  const cpuSec = serverUsage([nats.pid])!.cpuSec;
  const startMs = performance.now();
  await Promise.all(from.map((connection, n) => publish(connection, prefix, each, n)));
  await until('all have come', () => come === each * from.length, 300_000);
  const seconds = (performance.now() - startMs) / 1000;
  const cpuUs = ((serverUsage([nats.pid])!.cpuSec - cpuSec) * 1e6) / come;
  console.log(
    `${way.name} | ${from.length} | ${(come / seconds).toFixed(0)} | ${cpuUs.toFixed(1)} | ${late}, ${lateOfSubject}`,
  );
  subscription.unsubscribe();
}

async function publish(
  connection: NatsConnection,
  prefix: string,
  count: number,
  seed: number,
): Promise<void> {
  for (let sent = 0; sent < count; sent += perTurn) {
    for (let n = 0; n < perTurn; n++) {
      connection.publish(`${prefix}u${(sent * 7 + n + seed * 13) % subjects}`, body);
    }
    await connection.flush();
  }
}

async function latencyOf(way: Way): Promise<void> {
  const prefix = await makeStream(way);
  const tookMs: number[] = [];
  for (let n = 0; n < probes; n++) {
    const subject = `probe${n}`;
    const come = new Promise<number>((resolve) => {
      reader.subscribe(`m.${subject}`, { max: 1, callback: () => resolve(performance.now()) });
    });
    await reader.flush();
    const sentMs = performance.now();
    publishers[0]!.publish(prefix + subject, body);
    tookMs.push((await come) - sentMs);
  }
  console.log(`${way.name} | ${percentile(tookMs, 0.5)} | ${percentile(tookMs, 0.99)}`);
}

/** Of a stream that holds all of `messages`, or what 64 MiB hold of them. */
async function readsOf(): Promise<void> {
  const prefix = await makeStream(ways.find(({ queued }) => queued)!);
  await publish(publishers[0]!, prefix, Math.floor(messages / perTurn) * perTurn, 0);
  const keeps = async () => (await manager.streams.info('keeps')).state;
  await until(
    'all are stored',
    async () => (await keeps()).last_seq >= Math.floor(messages / perTurn) * perTurn,
  );
  const { first_seq, last_seq, messages: kept } = await keeps();
  const tookMs: number[] = [];
  for (let n = 0; n < probes; n++) {
    const seq = first_seq + Math.floor(Math.random() * (last_seq - first_seq));
    const query = JSON.stringify({ seq, next_by_subj: `h.u${n % subjects}` });
    const startMs = performance.now();
    await reader.request('$JS.API.DIRECT.GET.keeps', query);
    tookMs.push(performance.now() - startMs);
  }
  console.log(`direct get, of ${kept} | ${percentile(tookMs, 0.5)} | ${percentile(tookMs, 0.99)}`);
  await countsOf(manager, last_seq);
  const startMs = performance.now();
  const consumer = await jetstream(reader).consumers.get('keeps', { opt_start_seq: first_seq });
  const all = await consumer.consume({ max_messages: 1_000 });
  for await (const { seq } of all) if (seq >= last_seq) break;
  const seconds = (performance.now() - startMs) / 1000;
  console.log(`read from its beginning | ${(kept / seconds).toFixed(0)} messages/s`);
}

async function countsOf({ consumers }: JetStreamManager, lastSequence: number): Promise<void> {
  const tookMs: number[] = [];
  for (let n = 0; n < 200; n++) {
    const startMs = performance.now();
    const { name } = await consumers.add('keeps', {
      ...{
        filter_subject: `h.u${n}`,
        deliver_policy: 'by_start_sequence',
        ack_policy: 'none',
        mem_storage: true,
      },
      opt_start_seq: Math.max(1, Math.floor(Math.random() * lastSequence)),
    } as never);
    tookMs.push(performance.now() - startMs);
    await consumers.delete('keeps', name);
  }
  console.log(
    `count of a subject from a place on | ${percentile(tookMs, 0.5)} | ${percentile(tookMs, 0.99)}`,
  );
}

function percentile(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * share)]!.toFixed(2);
}
