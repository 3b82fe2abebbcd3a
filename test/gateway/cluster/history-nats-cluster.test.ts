import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t from 'tap';
import { freePort } from '../../free-port.js';
import { startGateway } from '../../gateway-process.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { numbered, poll } from '../history/ask-poll.js';
import { LineReader, sendCarried } from './history-nodes.js';

/** Three nats-servers that make one NATS cluster, and keep streams together. */
async function natsCluster(): Promise<NatsServer[]> {
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  return Promise.all(
    ports.map((port, n) =>
      NatsServer.start({
        configuration: `server_name: n${n}\ncluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
      }),
    ),
  );
}

async function leaderOf(url: string): Promise<string | undefined> {
  const connection = await connect({ servers: url });
  try {
    const manager = await jetstreamManager(connection);
    return (await manager.streams.info('encke-history-0')).cluster?.leader;
  } catch {
    return undefined; // it has none right now
  } finally {
    await connection.close();
  }
}

const servers = await natsCluster();
t.teardown(() => Promise.all(servers.map((server) => server.stop())));

async function node(servers: readonly NatsServer[]) {
  const flags = [
    '--engine',
    'nats',
    '--history-rules',
    '# 100 600',
    '--history-replicas',
    '3',
    '--log-level',
    'warn',
  ];
  const started = await startGateway({
    flags: [
      ...flags,
      '--nats',
      servers.map(({ url }) => url).join(','),
      '--drain-sec',
      '0',
      '--heartbeat-sec',
      '0',
    ],
  });
  t.teardown(() => started.kill());
  return started;
}

t.test(
  'the leader of the stream is killed: nodes go on, and nothing is lost, doubled or reordered',
  async (t) => {
    await until(
      'the servers have found each other',
      async () => {
        const connection = await connect({ servers: servers[0]!.url });
        const manager = await jetstreamManager(connection).catch(() => undefined);
        const account = await manager?.getAccountInfo().catch(() => undefined);
        await connection.close();
        return account !== undefined;
      },
      30_000,
    );
    const [one, two] = [await node(servers), await node([servers[1]!, servers[2]!, servers[0]!])];
    const streams = [await LineReader.open(one, '/stream/a'), await LineReader.open(two, '/stream/a')];
    const { cursor } = await poll(one.port, 'poll/a?timeout=0');
    let sent = 0;
    const sendUntil = async (count: number) => {
      while (sent < count) await sendCarried(sent % 2 === 0 ? one : two, 'a', `m${++sent}`);
    };
    await sendUntil(20);
    for (const stream of streams) await stream.untilTexts(20);
    const leader = servers[Number((await leaderOf(servers[0]!.url))!.slice(1))]!;
    const sending = sendUntil(60);
    await until('some more are sent', () => sent > 25);
    const killedMs = performance.now();
    await leader.kill();
    await sending;
    t.comment(
      `60 sends were through ${Math.round(performance.now() - killedMs)} ms after the leader was killed`,
    );
    for (const stream of streams) {
      await until(
        'all of them are there',
        () => new Set(stream.texts).size === 60 || stream.wire.closed,
        30_000,
      );
      t.notOk(stream.wire.closed);
      const numbers = stream.texts.map((text) => Number(text.slice(1)));
      t.same(
        [...new Set(numbers)],
        Array.from({ length: 60 }, (_, n) => n + 1),
        'all, in order',
      );
    }
    // Sent again after a 503 that came too late to be right, a message may be there twice, and then is in history, too.
    const all = await poll(two.port, `poll/a?cursor=${cursor}&timeout=0`);
    t.same([all.recovered, [...new Set(all.texts)]], [true, numbered(60)]);
    await leader.restart();
    await sendUntil(70);
    const rest = await poll(one.port, `poll/a?cursor=${all.cursor}&timeout=0`);
    t.same([rest.recovered, rest.texts], [true, numbered(10, 61)]);
  },
);
