import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { plainNode } from '../../child-processes.js';
import { until } from '../../until.js';
import { openStream } from '../raw-wire.js';
import { natsServer, startNodes, untilReached } from './nodes.js';

/** What docs/protocol.md shows of the global name, to the letter. */

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const section = readFileSync(`${root}/docs/protocol.md`, 'utf8')
  .split('## The global name, on NATS\n')[1]!
  .split('\n## ')[0]!;

const nats = await natsServer(t);
const [one, two] = await startNodes(t, nats, ['gw-1', 'gw-2']);

t.test('six lines of Node', async (t) => {
  const lines = /```js\n([\s\S]*?)```/.exec(section)![1]!;
  t.equal(lines.trim().split('\n').length, 6);
  const stream = await openStream(two!.port, '/stream/123');
  await untilReached(one!, '123', 1);
  const [node, ...args] = plainNode;
  const { status, stdout, stderr } = spawnSync(node, [...args, '--input-type=module', '-', nats.url], {
    cwd: root,
    input: lines,
    encoding: 'utf8',
  });
  t.equal(stderr, '');
  t.equal(status, 0);
  t.match(stdout, /^\{ delivered: 1 \} \{\s+id: '123',\s+subscribers: 1,\s+nodes: \[/);
  await stream.saw('Hello World');
  await stream.close();
});

t.test('the same by hand, over TCP', async (t) => {
  const session = /```\n(> CONNECT[\s\S]*?)```/.exec(section)![1]!.trimEnd().split('\n');
  const stream = await openStream(two!.port, '/stream/123');
  await untilReached(one!, '123', 1);
  const socket = createConnection(nats.port, '127.0.0.1');
  let heard = '';
  socket.on('data', (bytes) => {
    heard += bytes;
  });
  const lines = (sign: string) =>
    session.filter((line) => line.startsWith(sign)).map((line) => line.slice(2));
  for (const line of lines('>')) socket.write(`${line}\r\n`);
  const expected = lines('<')
    .map((line) => `${line}\r\n`)
    .join('');
  t.ok(expected.length > 0);
  await until('the answer is as shown', () => heard.replace(/^INFO [^\n]*\n/, '') === expected);
  await stream.saw('Hello World');
  socket.destroy();
  await stream.close();
});
