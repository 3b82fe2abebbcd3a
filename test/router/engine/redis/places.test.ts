import t, { type Test } from 'tap';
import { RedisServer, type RedisServerOptions } from '../../../redis-server.js';
import { until } from '../../../until.js';
import { Functions, run } from './functions.js';

/** Places: given once, by any run of any server, and what a cursor from before is told. */

async function serverOf(t: Test, options?: RedisServerOptions): Promise<RedisServer> {
  const server = await RedisServer.start(options);
  t.teardown(() => server.stop());
  return server;
}

async function sendMany(node: Functions, id: string, text: string, count: number): Promise<number[]> {
  const places: number[] = [];
  for (let sent = 0; sent < count; sent += 50) {
    const batch = Array.from({ length: 50 }, (_, i) => ({ id, body: `\0${text} ${sent + i}` }));
    const { seq } = await node.publish(batch);
    for (let i = 0; i < 50; i++) places.push(seq - 49 + i);
  }
  return places;
}

t.test('messages get places that rise, and are read behind a cursor', async (t) => {
  const node = await Functions.open(await serverOf(t));
  const first = await node.send('123', 'one');
  const second = await node.send('123', 'two');
  t.ok(second > first);
  t.ok(Math.abs(first / 1000 - Date.now()) < 5_000, 'a place says the time in microseconds');
  const { entries, floor, complete } = await node.read('123', first);
  t.strictSame(entries, [{ place: second, body: 'two' }]);
  t.ok(floor <= first);
  t.ok(complete);
  t.equal((await node.place()).seq, second);
});

t.test('no place is given twice when a server comes back with an older snapshot', async (t) => {
  const server = await serverOf(t);
  const node = await Functions.open(server);
  const before = await sendMany(node, '123', 'before', 100);
  const saved = await server.save();
  const lost = await sendMany(node, '123', 'lost', 1_000);
  const { begin, life } = await node.begin();
  await server.restartFrom(saved);
  const again = await Functions.open(server);
  const came = await again.begin();
  t.not(came.life, life);
  t.ok(came.begin > lost.at(-1)!, 'the generation begins behind all that was given');
  t.ok(came.begin > begin);
  const others = await sendMany(again, '123', 'other', 1_000);
  t.equal(new Set([...before, ...lost, ...others]).size, 2_100);
  t.ok(others[0]! > came.begin);
  const { floor } = await again.read('123', lost.at(-1)!, '5000:60000');
  t.ok(floor >= came.begin && floor > lost.at(-1)!, 'a cursor from before is told that something is missing');
  const { floor: now } = await again.read('123', others[0]!, '5000:60000');
  t.ok(now <= others[0]!, 'one from after is not');
});

t.test(
  'the same where the keys are gone: FLUSHALL, DEL of each, a server that comes back empty',
  async (t) => {
    const server = await serverOf(t);
    const node = await Functions.open(server);
    const ways: Record<string, () => Promise<unknown>> = {
      FLUSHALL: () => node.redis.flushall(),
      'DEL of the meta hash': () => node.redis.del('encke:meta'),
      'DEL of the last place': async () => node.redis.del(...(await node.redis.keys('encke:seq:*'))),
      'an empty server': () => server.restartEmpty(),
      'a restart with data': async () => {
        await node.redis.save();
        await server.restart();
      },
    };
    for (const [way, lose] of Object.entries(ways)) {
      const position = await node.send('123');
      await lose();
      await node.library.load(node.redis);
      const { begin } = await node.begin({ position });
      t.ok(begin > position, `${way}: a generation begins`);
      t.ok((await node.send('123')) > begin, way);
      t.ok((await node.read('123', position)).floor > position, `${way}: an old cursor is told`);
    }
  },
);

t.test(
  'a publish begins a generation where its last place is gone, and is refused where nobody knows which shard it is',
  async (t) => {
    const server = await serverOf(t);
    const node = await Functions.open(server);
    const before = await node.send('123');
    await node.redis.del(...(await node.redis.keys('encke:seq:*')));
    const after = await node.send('123');
    t.ok(after > before);
    t.ok((await node.read('123', before)).floor > before);
    t.ok((await node.place()).begin > before);
    await node.redis.flushall();
    await t.rejects(node.send('123'), /^SUPERSEDED/);
    await t.rejects(node.place(), /^SUPERSEDED/, 'who asks only for the place hears of it, too');
    await t.rejects(node.call('restore', node.run, 'id', '\x04x'), /^SUPERSEDED/);
    t.equal(await node.redis.exists('encke:meta'), 0, 'and nobody founds half of it');
    await t.rejects(node.send('123'), /^SUPERSEDED/, 'until somebody has begun');
    await node.begin();
    t.ok((await node.send('123')) > after);
  },
);

t.test('the same where the functions were loaded just before, and have given no place yet', async (t) => {
  const node = await Functions.open(await serverOf(t));
  await node.send('123');
  await node.redis.call('FUNCTION', 'FLUSH');
  await node.library.load(node.redis);
  await node.begin();
  await node.redis.flushall();
  await t.rejects(node.send('123'), /^SUPERSEDED/);
  t.strictSame(await node.redis.keys('*'), [], 'no message got a place from 1 on');
});

t.test('a server that takes no writes says its place, and that it takes none', async (t) => {
  const node = await Functions.open(await serverOf(t));
  const place = await node.send('123');
  await node.redis.config('SET', 'min-replicas-to-write', '1');
  await t.rejects(node.call('alive', node.run), /^NOREPLICAS/);
  await t.rejects(node.send('123'), /^NOREPLICAS/);
  t.equal((await node.place()).seq, place);
});

t.test('a replica that lags is promoted, and the old server is promoted back', async (t) => {
  const first = await serverOf(t);
  const second = await serverOf(t, { replicaOf: first });
  const replicated = () => second.client().hget('encke:meta', 'begin');
  const a = await Functions.open(first);
  await until('the replica follows', async () => (await replicated()) !== null);
  await a.send('123', 'both have it');
  await until('it is there', async () => (await second.client().llen('encke:h:123')) === 1);
  await second.client().call('REPLICAOF', 'NO', 'ONE'); // what the other gets from now on is its lag
  const lost = await sendMany(a, '123', 'lost', 500);
  first.pause();
  const b = new Functions(second, run('b'));
  const promoted = await b.begin();
  t.ok(promoted.begin > lost.at(-1)!);
  const others = await sendMany(b, '123', 'other', 500);
  t.equal(new Set([...lost, ...others]).size, 1_000);
  t.ok((await b.read('123', lost.at(-1)!, '5000:60000')).floor > lost.at(-1)!);

  first.resume();
  await first.client().call('REPLICAOF', '127.0.0.1', String(second.port));
  await until('the old one follows', async () => {
    return (await first.client().info('replication')).includes('master_link_status:up');
  });
  await until(
    'it has all',
    async () => (await first.client().lindexBuffer('encke:h:123', 0))?.subarray(9).toString() === 'other 499',
  );
  await first.client().call('REPLICAOF', 'NO', 'ONE');
  const back = await a.begin();
  t.ok(back.begin > others.at(-1)!, 'promoted back: another generation');
  t.ok((await a.send('123')) > back.begin);
});

t.test('promoted back without a message in between, with the data of a replica that lagged', async (t) => {
  const first = await serverOf(t);
  const second = await serverOf(t, { replicaOf: first });
  const a = await Functions.open(first);
  await until(
    'the replica follows',
    async () => (await second.client().hget('encke:meta', 'begin')) !== null,
  );
  await a.send('123', 'both have it');
  await until('it is there', async () => (await second.client().llen('encke:h:123')) === 1);
  await second.client().call('REPLICAOF', 'NO', 'ONE');
  const lost = await sendMany(a, '123', 'lost', 500);
  await first.client().call('REPLICAOF', '127.0.0.1', String(second.port));
  await until('the old one follows', async () => {
    return (await first.client().info('replication')).includes('master_link_status:up');
  });
  await first.client().call('REPLICAOF', 'NO', 'ONE');
  t.equal(await first.client().llen('encke:h:123'), 1, 'the data has gone back');
  const { begin } = await a.begin();
  t.ok(begin > lost.at(-1)!);
  t.ok((await a.read('123', lost.at(-1)!)).floor > lost.at(-1)!);
});

t.test(
  'a replica that comes, or comes back, begins no generation: what is kept is given still',
  async (t) => {
    const server = await serverOf(t, { appendonly: true });
    const node = await Functions.open(server);
    const { begin, seq } = await node.place();
    await node.send('123', 'before');
    const replidOf = async () => /master_replid:(\w+)/.exec(await server.client().info('replication'))![1];
    const before = await replidOf();
    await serverOf(t, { replicaOf: server });
    await until('Redis has another replication id', async () => (await replidOf()) !== before, 30_000);
    t.equal((await node.begin()).begin, begin);
    await node.send('123', 'behind');
    const { floor, entries } = await node.read('123', seq);
    t.ok(floor <= seq);
    t.strictSame(
      entries.map(({ body }) => body),
      ['before', 'behind'],
    );
  },
);

t.test('a node knows of higher places than a promoted replica whose clock is behind', async (t) => {
  const node = await Functions.open(await serverOf(t));
  const position = (await node.send('123')) + 3_600_000_000;
  const { begin, seq } = await node.begin({ position });
  t.ok(begin > position);
  t.equal(seq, begin);
  t.equal(await node.send('123', 'ahead of the clock'), begin + 1);
});

t.test(
  'a message with a place ahead of the clock is not taken for complete when it has expired',
  async (t) => {
    const server = await serverOf(t);
    const node = await Functions.open(server);
    const aheadUs = 2_000_000; // as after the clock was set back by two seconds
    const { begin } = await node.begin({ position: (await node.place()).seq + aheadUs });
    const rule = '10:300';
    const first = await node.send('123', 'expires', rule);
    const sentMs = (await node.place()).nowMs;
    t.equal(first, begin + 1);
    t.strictSame((await node.read('123', begin, rule)).entries, [{ place: first, body: 'expires' }]);
    await server.client().pexpire('encke:h:123', 1); // the same as waiting for 1.3 s
    await until('it is gone', async () => (await server.client().exists('encke:h:123')) === 0);
    await until('its age is over', async () => {
      if ((await node.place()).nowMs <= sentMs + 300) return false;
      const { floor } = await node.read('123', begin, rule);
      t.ok(floor >= first, 'a cursor from before it is told that something is missing');
      return true;
    });
    await until('the clock is where the places are', async () => {
      return (await node.place()).nowMs * 1000 > first + 400_000;
    });
    const later = await node.send('123', 'later', rule);
    const { floor } = await node.read('123', later - 1, rule);
    t.ok(floor < later, 'and when the clock has come up to the places, all is as before');
  },
);
