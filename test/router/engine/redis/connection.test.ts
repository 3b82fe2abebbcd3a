import t, { type Test } from 'tap';
import { MessageReader, RedisConnection } from '../../../../router/engine/redis/connection.js';
import { RedisServer } from '../../../redis-server.js';
import { until } from '../../../until.js';

/** Messages of channels are taken out of what Redis sends; ioredis gets all else, value by value. */

/** As RESP3 has it. */
function messageBytes(channel: string, payload: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(
      `>3\r\n$7\r\nmessage\r\n$${Buffer.byteLength(channel)}\r\n${channel}\r\n$${payload.length}\r\n`,
    ),
    payload,
    Buffer.from('\r\n'),
  ]);
}

const others = [
  '+OK\r\n',
  ':-17\r\n',
  '-ERR no such thing\r\n',
  '$-1\r\n',
  '$0\r\n\r\n',
  '$5\r\na\r\nb>\r\n',
  '*0\r\n',
  '*3\r\n:1\r\n*2\r\n$2\r\nhi\r\n_\r\n#t\r\n',
  '>3\r\n$9\r\nsubscribe\r\n$3\r\na/b\r\n:1\r\n',
  '>3\r\n$7\r\nmessagf\r\n$1\r\na\r\n$1\r\nb\r\n',
  '%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n,1.5\r\n~1\r\n(99\r\n',
  '=5\r\ntxt:x\r\n',
  '!4\r\nERR \r\n',
];

const messages: [channel: string, payload: string][] = [
  ['a', ''],
  ['user/\u00fc/\u{1f30d}', 'x'],
  ['', '\r\n>3\r\n$7\r\nmessage\r\n$1'],
  ['encke:i:1234567890', 'y'.repeat(120)],
];

/** Reads bytes that come cut at these places. */
function readCut(bytes: Buffer, cuts: readonly number[]) {
  const got: string[] = [];
  const reader = new MessageReader(
    (channel, payload) => got.push(`message ${channel} ${payload}`),
    (value) => got.push(value.toString()),
  );
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    // As from a socket, bytes that were read before are not at hand any more.
    reader.read(Buffer.from(bytes.subarray(from, to)));
    from = to;
  }
  return got;
}

t.test('values and messages come whole and in order, wherever they are cut', async (t) => {
  const parts: Buffer[] = [];
  const expected: string[] = [];
  others.forEach((other, n) => {
    const [channel, payload] = messages[n % messages.length]!;
    parts.push(messageBytes(channel, Buffer.from(payload)), Buffer.from(other));
    expected.push(`message ${channel} ${payload}`, other);
  });
  const bytes = Buffer.concat(parts);
  t.strictSame(readCut(bytes, []), expected, 'in one piece');
  t.strictSame(
    readCut(
      bytes,
      Array.from({ length: bytes.length - 1 }, (_, n) => n + 1),
    ),
    expected,
    'byte by byte',
  );
  const wrong: string[] = [];
  for (let cut = 1; cut < bytes.length; cut++) {
    for (const second of [cut + 1, cut + 7, cut + 90]) {
      const cuts = second < bytes.length ? [cut, second] : [cut];
      if (readCut(bytes, cuts).join('|') !== expected.join('|')) wrong.push(cuts.join());
    }
  }
  t.strictSame(wrong, [], 'cut once or twice anywhere');
});

t.test('a large message is joined once, not with each of its pieces', async (t) => {
  const payload = Buffer.alloc(4 * 1024 * 1024, 'z');
  const bytes = messageBytes('large', payload);
  const got: Buffer[] = [];
  const reader = new MessageReader(
    (_, received) => got.push(received),
    () => t.fail('there is nothing else'),
  );
  const joins = t.capture(Buffer, 'concat', Buffer.concat);
  for (let at = 0; at < bytes.length; at += 65_536) reader.read(bytes.subarray(at, at + 65_536));
  t.equal(joins().length, 1);
  t.equal(got.length, 1);
  t.ok(got[0]!.equals(payload));
});

async function openTo(
  t: Test,
  server: RedisServer,
  onMessage: (channel: Buffer, payload: Buffer) => void,
): Promise<RedisConnection> {
  const connection = new RedisConnection(
    { host: '127.0.0.1', port: server.port, protocol: 3 },
    { onMessage, onOpen: async () => {}, onLost() {}, onFailed: (error) => t.fail(error.message) },
  );
  t.teardown(() => connection.close());
  connection.start();
  await until('it is open', () => connection.redis !== undefined);
  return connection;
}

t.test('on a connection to Redis, messages and answers come in the order of the server', async (t) => {
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  const got: string[] = [];
  const onMessage = (channel: Buffer, payload: Buffer) => got.push(`${channel} ${payload.length}`);
  const redis = (await openTo(t, server, onMessage)).redis!;
  const emitted: unknown[] = [];
  redis.on('message', (channel: string) => emitted.push(channel));
  t.equal(await redis.subscribe('a', 'b'), 2);
  const sizes = [0, 1, 100, 70_000, 3, 1_000_000, 5];
  const answers = sizes.map((size) =>
    redis.publish('a', Buffer.alloc(size, 'x')).then((copies) => got.push(`answer ${copies}`)),
  );
  const echoed = redis.call('ECHO', 'z'.repeat(200_000));
  await Promise.all(answers);
  t.equal(String(await echoed).length, 200_000);
  const comes = (text: string) => got.filter((each) => each === text).length;
  for (const size of sizes) t.equal(comes(`a ${size}`), 1, `${size} bytes came once`);
  t.strictSame(
    got.filter((each) => each.startsWith('a ')),
    sizes.map((size) => `a ${size}`),
    'in order',
  );
  t.equal(comes('answer 1'), sizes.length, 'each is answered');
  t.strictSame(await redis.call('HELLO', '3').then((reply) => Array.isArray(reply)), true, 'a map');
  t.equal(await redis.unsubscribe('a', 'b'), 0);
  t.equal(await server.client().publish('a', 'nobody'), 0);
  t.strictSame(emitted, [], 'ioredis has seen none of them');
});

t.test('a connection that is retired takes no new calls, and answers those that are under way', async (t) => {
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  const connection = await openTo(t, server, () => {});
  const { redis } = connection;
  const answer = redis!.blpop('nothing', 1);
  await connection.retire('it is of no use any more');
  t.equal(await answer, null);
  await until('the next one is open', () => connection.redis !== undefined);
  t.not(connection.redis, redis);
  t.equal(connection.opened, 2);
});
