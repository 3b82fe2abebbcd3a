import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { until } from '../../until.js';
import { connectRaw } from '../mqtt/raw-client.js';
import { openStream } from '../raw-wire.js';
import { nodeStats } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** The examples of docs/protocol.md for the global name, exactly as they are there. */

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const section = readFileSync(`${root}/docs/protocol.md`, 'utf8')
  .split('## The global name, on Redis\n')[1]!
  .split('\n## ')[0]!;

const redis = await redisServer(t);
const [one, two] = await startRedisNodes(t, [redis.url], ['gw-1', 'gw-2']);

async function shell(line: string): Promise<string> {
  const here = line.replace(/^redis-cli /, `redis-cli -p ${redis.port} `);
  const { stdout } = await promisify(execFile)('sh', ['-c', here]);
  return stdout.trimEnd();
}

t.test('the commands', async (t) => {
  const [plain, full, ...others] = /```sh\n([\s\S]*?)```/.exec(section)![1]!.trimEnd().split('\n');
  t.same(others, []);
  const near = await openStream(one!.port, '/stream/123');
  const far = await openStream(two!.port, '/stream?id=123&id=456');
  t.equal(await shell(plain!), '2', 'how many copies went to nodes');
  for (const stream of [near, far]) await stream.saw('Hello World');
  t.match(full, 'RETAIN');
  t.equal(await shell(full!), '3', 'to two ids');
  await far.saw('"id":"456","data":"Hello World"');
  t.equal(await shell(full!), '3', 'with its KEY once more it is answered the same');
  const late = await connectRaw(t, two!);
  await late.subscribe('456');
  t.match(await late.nextPublish(), { payload: 'Hello World', retain: true }, 'RETAIN keeps the message');
  await shell('redis-cli FCALL encke_send 1 123 end');
  for (const stream of [near, far]) await stream.saw('end');
  t.equal(far.text.split('"id":"123","data":"Hello World"').length, 3, 'and not sent again');
  for (const stream of [near, far]) await stream.close();
});

t.test('the nodes of an id, metrics of the nodes, and the version', async (t) => {
  const shown = /`(FCALL encke_ids 1 123)` answers\s+`([^`]+)`/.exec(section)!;
  const streams = [await openStream(one!.port, '/stream/123'), await openStream(two!.port, '/stream/123')];
  const client = await connectRaw(t, two!);
  await client.subscribe('#');
  t.equal(await shell(`redis-cli ${shown[1]}`), shown[2]);
  await client.disconnect();
  for (const stream of streams) await stream.close();
  t.match(section, '`FCALL encke_version 0`');
  t.match(await shell('redis-cli FCALL encke_version 0'), /^\d+$/);
  t.match(section, '`FCALL encke_stats 0`');
  await until(
    'each has said its numbers',
    async () => {
      const { nodes } = JSON.parse(await shell('redis-cli FCALL encke_stats 0'));
      return (
        (nodes as { node: string }[])
          .map(({ node }) => node)
          .sort()
          .join() === 'gw-1,gw-2'
      );
    },
    20_000,
  );
  t.equal((await nodeStats(one!)).engine.unreadable, 0);
});
