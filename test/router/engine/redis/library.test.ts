import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { problemOfServer, sentenceOf } from '../../../../router/engine/redis/errors.js';
import { Library, publicVersion } from '../../../../router/engine/redis/library.js';
import { RedisServer, type RedisServerOptions } from '../../../redis-server.js';
import { Functions } from './functions.js';

/** Loading the functions: beside those of other versions, only forward, and with the rights that are needed. */

/** As docs/operations.md has them: without `ACL SETUSER`, and with a password of these tests. */
const node =
  'node on >secret ~encke:* &encke:* -@all +@read +@write +@pubsub +@connection -@dangerous +fcall +function|load +info +time';
const sender =
  'sender on >secret ~encke:* ~user/* &encke:* -@all +@connection +fcall +time +info +get +set +del +incrby +hget +hmget +hset +hdel +hlen +hexists +hgetall +lpush +ltrim +pexpire +zadd +zrem +append +publish +pubsub|numsub';

async function serverOf(t: Test, options?: RedisServerOptions): Promise<RedisServer> {
  const server = await RedisServer.start(options);
  t.teardown(() => server.stop());
  return server;
}

const librariesOf = async (server: RedisServer) => {
  const list = (await server.client().call('FUNCTION', 'LIST')) as unknown[];
  return JSON.stringify(list);
};

t.test('a change of what other programs call raises its version', async (t) => {
  // Where this fails: put the new digest here, and raise publicVersion where a release has the old one.
  t.strictSame([publicVersion, Library.publicDigest], [2, 'bb658d4a']);
});

t.test('names that Redis would not take are refused with a sentence', async (t) => {
  for (const name of ['', 'a-b', '1a', 'a.b', 'ü', 'a'.repeat(33), 'a b']) {
    t.throws(
      () => new Library(name),
      { code: 'ERR_ENCKE_ENGINE', message: /1 to 32 letters, digits and _/ },
      name,
    );
  }
  t.equal(new Library('shop_2').name, 'shop_2');
});

t.test('versions of nodes side by side; loading twice is nothing', async (t) => {
  const server = await serverOf(t);
  const one = new Library('encke');
  await one.load(server.client());
  await one.load(server.client());
  const list = await librariesOf(server);
  t.match(list, `"${one.prefix.slice(0, -1)}"`);
  t.match(list, '"encke"');
  t.not(new Library('shop').prefix.slice('shop'.length), one.prefix.slice('encke'.length));
});

t.test('a server whose memory is full takes a node again that it has the functions of', async (t) => {
  const server = await serverOf(t);
  await new Library('encke').load(server.client());
  await server.client().config('SET', 'maxmemory', '1');
  await t.rejects(new Library('shop').load(server.client()), /^OOM/);
  await t.resolves(new Library('encke').load(server.client()));
});

t.test('the library for other programs goes only forward, however many nodes load it at once', async (t) => {
  const server = await serverOf(t);
  const version = async () => Number(await server.client().call('FCALL', 'encke_version', '0'));
  await new Library('encke', 5).load(server.client());
  t.equal(await version(), 5);
  await new Library('encke', 4).load(server.client());
  t.equal(await version(), 5);
  await new Library('encke', 6).load(server.client());
  t.equal(await version(), 6);
  await server.restartEmpty();
  const versions = [3, 7, 2, 9, 1, 8, 4];
  await Promise.all(versions.map((version) => new Library('encke', version).load(server.client())));
  t.equal(await version(), 9);
});

t.test('a node that died while it loaded holds nobody up for longer than its lock', async (t) => {
  const server = await serverOf(t);
  await server.client().set('encke:loading', '1', 'PX', 200);
  await new Library('encke').load(server.client());
  t.equal(Number(await server.client().call('FCALL', 'encke_version', '0')), publicVersion);
});

t.test('a library of somebody else with such a function is named', async (t) => {
  const server = await serverOf(t);
  const source = `#!lua name=theirs\nredis.register_function('encke_send', function() return 1 end)`;
  await server.client().call('FUNCTION', 'LOAD', source);
  const error = (await new Library('encke').load(server.client()).catch((error) => error)) as Error;
  t.match(sentenceOf(error.message, 'encke'), /another program has a library with such a function/);
});

t.test(
  'the rights that the documents give a node are enough, and each that is missing is named',
  async (t) => {
    const server = await serverOf(t, { acl: [node] });
    const options = { username: 'node', password: 'secret' };
    const functions = new Functions(server);
    const allowed = server.client(options);
    await functions.library.load(allowed);
    const call = (name: string, ...args: (string | number)[]) =>
      allowed.call('FCALL', `${functions.library.prefix}${name}`, '0', ...args);
    await call(
      'begin',
      functions.run,
      1,
      0,
      0,
      1,
      'c1',
      '[["#",10,60000]]',
      '{"idBytesMax":9,"levelsMax":9,"payloadBytesMax":9}',
    );
    for (let i = 1; i <= 20; i++)
      await call('publish', functions.run, 1, i, 4e12, 'id', '2:1000', '\0', '\x04x', `k${i}`);
    await call('publish', functions.run, 1, 21, 4e12, 'id', '2:1000', '\0', '\x04', '');
    await call('place', functions.run);
    await call('join', functions.run, '{}');
    await call('alive', functions.run);
    await call('read', functions.run, 1000, 'id', 0, '2:1000');
    await call('retained', 0, 1000);
    await call('restore', functions.run, 'other', '\x04x');
    await call('report', functions.run, '{}');
    await allowed.subscribe('encke:i:id');
    await t.rejects(server.client(options).subscribe('shop:i:id'), /^NOPERM/, 'nothing of other clusters');
    await t.rejects(server.client(options).call('FLUSHALL'), /^NOPERM/);
    await t.rejects(server.client(options).call('CONFIG', 'GET', '*'), /^NOPERM/);

    for (const right of ['+lpush', '+publish', '+zadd', '+incrby', '+time', '+pubsub|numsub', '+subscribe']) {
      const name = `without_${right.replace(/\W/g, '')}`;
      await server
        .client()
        .call(
          'ACL',
          'SETUSER',
          ...node.replace('node ', `${name} `).split(' '),
          right.replace('+', '-').replace('|numsub', ''),
        );
      const error = (await functions.library
        .load(server.client({ username: name, password: 'secret' }))
        .catch((error) => error)) as Error;
      t.match(error, { code: 'ERR_ENCKE_ENGINE' }, right);
      t.match(error.message, `may not do ${right} `, right);
      t.match(error.message, 'ACL SETUSER <user> ~encke:* &encke:* -@all');
    }
    const others: [string, string, string][] = [
      ['keys', '~encke:*', '~other:*'],
      ['channels', '&encke:*', '&other:*'],
      ['fcall', '+fcall', '-fcall'],
      ['functionload', '+function|load', '-function'],
      ['info', '+info', '-info'],
    ];
    for (const [name, from, to] of others) {
      await server
        .client()
        .call('ACL', 'SETUSER', ...node.replace('node ', `${name} `).replace(from, to).split(' '));
      const error = (await new Library('encke')
        .load(server.client({ username: name, password: 'secret', enableReadyCheck: false }))
        .catch((error) => error)) as Error;
      t.match(
        `${error.message} ${sentenceOf(error.message, 'encke')}`,
        'ACL SETUSER <user> ~encke:* &encke:*',
        name,
      );
    }
  },
);

t.test(
  'the rights that the documents give a sender are enough, to send to what it may and no further',
  async (t) => {
    const server = await serverOf(t, { acl: [sender] });
    const functions = await Functions.open(server);
    const redis = server.client({ username: 'sender', password: 'secret' });
    const send = (...args: string[]) => redis.call('FCALL', 'encke_send', ...args);
    for (let i = 0; i < 20; i++) t.equal(await send('1', 'user/1', 'x', 'RETAIN', 'KEY', `k${i}`), 0);
    await send('1', 'user/1', '', 'RETAIN');
    await redis.call('FCALL', 'encke_ids', '1', 'user/1');
    await redis.call('FCALL', 'encke_stats', '0');
    await t.rejects(send('1', 'other/1', 'x'), /^NOPERM/, 'ids are keys: the user says which');
    await functions.redis.del(...(await functions.redis.keys('encke:seq:*')));
    t.equal(await send('1', 'user/1', 'x'), 0, 'it may begin a generation');
    const { floor, entries } = await functions.read('user/1', 0);
    t.equal(entries.filter(({ place }) => place > floor).length, 1);
    await t.rejects(redis.call('FLUSHALL'), /^NOPERM/);
    await server.client().call('ACL', 'SETUSER', 'sender', '-lpush', '-publish');
    await t.rejects(
      send('1', 'user/1', 'x'),
      /^NOPERM .*give this user \+lpush \+publish on ~encke:\* &encke:\*/,
    );
    const documents = readFileSync(
      new URL('../../../../../docs/operations.md', import.meta.url),
      'utf8',
    ).replace(/ \\\n */g, ' ');
    for (const line of [node, sender]) {
      t.ok(documents.includes(line.replace(/^(\w+) on >secret/, 'ACL SETUSER encke-$1 on >…')), line);
    }
  },
);

t.test('a server that is not fit is told in a sentence', async (t) => {
  const info = (text: string) => problemOfServer(`# Server\r\n${text.replaceAll('\n', '\r\n')}\r\n`);
  t.match(info('redis_version:6.2.14'), /^it is Redis 6\.2\.14, and Encke needs Redis 7\.0 or Valkey 7\.2/);
  t.match(info('redis_version:7.2.4\nserver_name:valkey\nvalkey_version:7.0.1'), /^it is Valkey 7\.0\.1/);
  t.equal(info('redis_version:7.0.15'), undefined);
  t.equal(info('redis_version:10.1.0'), undefined);
  t.equal(info('redis_version:7.2.4\nvalkey_version:8.1.0'), undefined);
  t.match(info('redis_version:7.0.15\nredis_mode:cluster'), /^it is a node of Redis Cluster/);
  const server = await serverOf(t, { maxmemory: '100mb', configuration: 'maxmemory-policy allkeys-lru' });
  const load = () => new Library('encke').load(server.client());
  await t.rejects(load(), {
    code: 'ERR_ENCKE_ENGINE',
    message: /^its maxmemory-policy is allkeys-lru.*CONFIG SET maxmemory-policy noeviction/,
  });
  await server.client().call('CONFIG', 'SET', 'maxmemory', '0');
  await load();
  const cluster = await serverOf(t, { cluster: true });
  await t.rejects(
    new Library('encke').load(cluster.client()),
    /^it is a node of Redis Cluster.*name plain Redis servers/,
  );
  const replica = await serverOf(t, { replicaOf: server });
  const error = (await new Library('encke').load(replica.client()).catch((error) => error)) as Error;
  t.match(sentenceOf(error.message, 'encke'), /it is a replica\. Name the master/);
});

t.test('an error of a server becomes a sentence with a remedy', async (t) => {
  const cases: [string, RegExp][] = [
    [
      'WRONGPASS invalid username-password pair',
      /give the right user and password \(--redis-user, --redis-password-file\)\.$/,
    ],
    ['NOAUTH Authentication required.', /give a user and password/],
    ["OOM command not allowed when used memory > 'maxmemory'.", /raise maxmemory, or keep less history/],
    ['LOADING Redis is loading the dataset in memory', /tried again/],
    ['BUSY Redis is busy running a script.', /FUNCTION KILL/],
    ["READONLY You can't write against a read only replica.", /replica: it is a replica\. Name the master/],
    ['NOREPLICAS Not enough good replicas to write.', /min-replicas-to-write/],
    ['MISCONF Redis is configured to save RDB snapshots', /^it refuses to write: MISCONF/],
    [
      'FORMAT the data in Redis has format 3, and this version of Encke reads 2',
      /^the data in Redis has format 3.*run the version/,
    ],
    ['SHARD 0 1 c1', /^it is server 1 of a list of 1.*same order.*delete the keys encke:\*/],
    ["ERR unknown command 'FUNCTION', with args", /needs Redis 7\.0/],
    ['connect ECONNREFUSED 127.0.0.1:1', /^connect ECONNREFUSED 127\.0\.0\.1:1\.$/],
    ['', /^it does not answer\.$/],
  ];
  for (const [complaint, expected] of cases) t.match(sentenceOf(complaint, 'encke'), expected, complaint);
});
