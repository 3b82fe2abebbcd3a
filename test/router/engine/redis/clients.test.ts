import t from 'tap';
import { RedisServer } from '../../../redis-server.js';
import { until } from '../../../until.js';
import { Functions, run } from './functions.js';

/** Which node has which client: the functions alone. */

const redis = await RedisServer.start();
t.teardown(() => redis.stop());
const functions = await Functions.open(redis);
const [a, b, c] = [run('a'), run('b'), run('c')];
const nodes = new Map([[a, functions]]);
for (const node of [b, c]) nodes.set(node, await Functions.open(redis, node));

/** What a given-up connection says does nothing: those say of which connection they are. */
const ofConnection = ['claim', 'keep', 'release', 'pass'];

/** @param args the run of the node first */
function call(name: string, ...args: string[]): Promise<unknown> {
  const [node = '', ...rest] = args;
  const generation = nodes.get(node)?.generation ?? 0;
  return functions.call(name, ...(ofConnection.includes(name) ? [node, generation, ...rest] : args));
}

async function heardBy(node: string): Promise<string[]> {
  const words: string[] = [];
  const client = redis.client();
  client.on('message', (_channel: string, word: string) => words.push(word));
  await client.subscribe(`encke:n:${node}`);
  return words;
}

/** Words come on another connection than answers. */
async function said(words: string[], count: number): Promise<string[]> {
  await until('it is heard', () => words.length >= count);
  return words.splice(0);
}

const ofA = await heardBy(a);
const ofC = await heardBy(c);

/** @param args flags and client id of each @returns of each, the node before and what heard of it */
function claim(node: string, ...args: string[]): Promise<unknown[]> {
  return claimOf('', node, ...args);
}

/** For a user. @returns an `!` where another user has it */
async function claimOf(user: string, node: string, ...args: string[]): Promise<unknown[]> {
  const all = args.flatMap((each, n) => (n % 2 === 0 ? [each] : [each, user]));
  const [number, ...owners] = (await call('claim', node, ...all)) as [number, ...unknown[]];
  t.ok(number > claims, 'calls are numbered in order');
  claims = number;
  return owners.flatMap((each, n) => (n % 3 !== 2 ? [each] : each === 1 ? ['!'] : []));
}
let claims = 0;

/** @returns whose each is */
function keep(node: string, ...clientIds: string[]): Promise<unknown> {
  return call('keep', node, ...clientIds.flatMap((clientId) => [clientId, '']));
}

t.test('a claim says who had it, and asks that node in the same call', async (t) => {
  t.same(await claim(a, '0', 'x', '1', 'y'), ['', 0, '', 0]);
  t.same(await claim(a, '0', 'x'), [a, 0], 'its own');
  t.same(ofA, []);
  t.same(await claim(b, '0', 'x', '1', 'y', '0', 'z'), [a, 1, a, 1, '', 0]);
  t.same(await said(ofA, 1), [`W${b}${claims}\u{0}0x\u{0}1y`], 'in one word, with the number');
  t.same(await claim(c, '0', 'x'), [b, 0], 'nobody hears: that node is not there');
});

t.test('a claim whose answer was lost is sent again: the node before is asked again', async (t) => {
  await claim(a, '0', 'again');
  t.same(await claim(b, '0+', 'again'), [a, 1], 'also where it had not run');
  t.same(await claim(b, '0+', 'again', '1+', 'fresh'), [a, 1, '', 0]);
  t.match(await said(ofA, 2), [/0again$/, /0again$/]);
  t.same(await claim(b, '0', 'again'), [b, 0], 'the next one asks nobody');
  t.same(await claim(b, '0+', 'again'), [b, 0]);
});

t.test('only who has it releases it', async (t) => {
  await call('release', a, 'x');
  t.same(await keep(b, 'x'), [c]);
  await call('release', c, 'x');
  t.same(await keep(c, 'x'), [''], 'nobody had it, and now this node has');
  t.same(await keep(c, 'x'), ['']);
  t.same(await keep(a, 'x', 'new'), [c, '']);
  await claim(b, '0', 'x');
  await said(ofC, 1);
  t.same(await keep(a, 'x'), [''], 'a node that is not connected has none');
});

t.test('what a connection says that its node has given up since does nothing', async (t) => {
  await claim(a, '0', 'late');
  const [former, node] = [nodes.get(a)!, new Functions(redis, a)];
  node.generation = former.generation;
  const late: [string, ...(string | number)[]][] = [
    ['release', a, former.generation, 'late'],
    ['claim', a, former.generation, '0', 'late', ''],
    ['keep', a, former.generation, 'late', ''],
    ['pass', a, former.generation, a, c, '', 'late'],
  ];
  await node.begin();
  nodes.set(a, node);
  for (const [name, ...args] of late) await t.rejects(functions.call(name, ...args), /^SUPERSEDED /, name);
  t.equal(await functions.redis.hget('encke:c', 'late'), a, 'that node still has it');
  await claim(b, '0', 'late');
  await said(ofA, 1);
  for (const [name, ...args] of late) await t.rejects(functions.call(name, ...args), /^SUPERSEDED /, name);
  t.equal(
    await functions.redis.hget('encke:c', 'late'),
    `${b}<${a}`,
    'nor is the claim of another node undone',
  );
  await t.rejects(functions.call('release', run('d'), 1, 'late'), /^SUPERSEDED /, 'one that never began');
});

t.test('the client id of another user is not taken, and its node is asked whether it has it', async (t) => {
  t.same(await claimOf('alice', a, '0', 'u', '1', 'v'), ['', 0, '', 0]);
  t.same(await claimOf('bob', b, '0', 'u', '0', 'w', '1', 'v'), [a, 1, '!', '', 0, a, 1, '!']);
  t.same(await said(ofA, 1), [`K${b}\u{0}u\u{0}v`], 'nothing is claimed');
  t.same(await claimOf('', b, '0', 'u'), [a, 1, '!'], 'one whose user is not known');
  await said(ofA, 1);
  t.same(await keep(a, 'u', 'v'), ['', '']);
  t.same(await claimOf('alice', b, '0', 'u'), [a, 1], 'its own user');
  t.same(await said(ofA, 1), [`W${b}${claims}\u{0}0u`]);
  t.same(await claimOf('alice', b, '0+', 'u'), [a, 1], 'the same call once more');
  await said(ofA, 1);
  t.same(await claimOf('root', c, '0!', 'u'), [b, 0], 'one that may take all');
  t.same(await claimOf('alice', a, '0', 'u'), [c, 1, '!'], 'which has it now');
  await said(ofC, 1);
  t.same(await claimOf('bob', a, '0', 'v'), [a, 0], 'within a node, the node knows who may');
});

t.test('the user of a client id stays known when it is passed on or kept again', async (t) => {
  await claimOf('alice', a, '0', 'k1', '0', 'k2');
  t.equal(await call('pass', a, a, c, '', 'k1'), '1');
  t.same(await claimOf('bob', c, '0', 'k1'), [c, 1, '!'], 'on its way to the node that is asked');
  t.same(await claimOf('bob', b, '0', 'k1'), [c, 0, '!'], 'and nobody is asked whether it has come');
  t.same(await claimOf('alice', c, '0', 'k1'), [c, 1]);
  await call('release', a, 'k2');
  t.same(await call('keep', a, 'k2', 'alice', 'k3', ''), ['', '']);
  t.same(await claimOf('bob', b, '0', 'k2', '0', 'k3'), [a, 1, '!', a, 1]);
  await said(ofA, 2);
});

t.test('a node that stops passes its client ids on, and the next node learns which', async (t) => {
  await claim(a, '0', 'p', '0', 'q', '0', 'r');
  await claim(b, '0', 'q');
  await said(ofA, 1);
  for (const once of ['once', 'the same call again'])
    t.equal(await call('pass', a, a, c, `O${a}…`, 'p', 'q', 'r'), '101', once);
  t.same(await said(ofC, 2), [`O${a}…101`, `O${a}…101`]);
  t.same(await keep(c, 'p'), ['']);
  t.same(await claim(c, '0', 'p', '0', 'p'), [c, 1, c, 0], 'told once that it is on its way');
  t.same(await claim(b, '0', 'r'), [c, 1], 'or whoever claims it asks there');
  t.match(await said(ofC, 1), [/0r$/]);
});

t.test('a mark is heard by both or by none', async (t) => {
  t.equal(await call('mark', c, a, 'M1'), 1);
  t.same([await said(ofA, 1), await said(ofC, 1)], [['M1'], ['M1']]);
  t.equal(await call('mark', c, b, 'M2'), 0);
  t.equal(await call('mark', b, a, 'M2'), 0);
  await call('mark', a, c, 'M3');
  t.same([await said(ofA, 1), await said(ofC, 1)], [['M3'], ['M3']]);
});

t.test(
  'client ids of a node that is gone are free after a while, on servers without the list of nodes too',
  async (t) => {
    const ids = Array.from({ length: 2_000 }, (_, n) => ['0', `s${n}`]).flat();
    await claim(a, ...ids.slice(0, 2_000));
    await claim(b, ...ids.slice(2_000));
    let cursor = '0';
    let calls = 0;
    do {
      cursor = String(await call('sweep', a, cursor));
      calls++;
    } while (cursor !== '0');
    t.ok(calls > 3, `${calls} calls, so that none takes long`);
    t.same(await keep(c, 's0', 's999', 's1000', 's1999'), [a, a, '', '']);
  },
);

t.test('a CSV that is no run, or lacks a column, is refused', async (t) => {
  for (const args of [
    ['claim', 'x', '0', 'id'],
    ['claim', a, '0'],
    ['claim', a, '0', 'id'],
    ['keep', 'x'],
    ['keep', a, 'x'],
    ['release', ''],
    ['pass', a, a, 'x', 'w'],
    ['sweep', a, 'x'],
    ['mark', a, b],
    ['join', 'x', '{}'],
    ['leave'],
    ['changes', a],
  ] as [string, ...string[]][])
    await t.rejects(call(...args), /^ARGUMENT /, args.join(' '));
});

t.test('chunks come back as they were, and go by themselves', async (t) => {
  const bytes = Buffer.from([0, 255, 13, 10, 128]);
  const chunks = [bytes, bytes, Buffer.alloc(200_000, 7)];
  for (const [n, chunk] of chunks.entries())
    await functions.call('put', 'k', Math.max(0, n - 1), 2_000, chunk);
  const take = async (index: number) => functions.redis.getBuffer(`encke:o:k:${index}`);
  t.same(await take(0), bytes, 'the same call twice puts one');
  t.equal((await take(1))!.length, 200_000);
  t.equal(await take(2), null);
  await until('they are gone', async () => (await take(0)) === null);
});

t.test('chunks of sessions that move are taken where the memory of Redis is full', async (t) => {
  await functions.redis.config('SET', 'maxmemory', '1');
  t.teardown(() => functions.redis.config('SET', 'maxmemory', '0'));
  await t.rejects(functions.redis.set('test', 'x'), /^OOM /, 'it is full');
  t.equal(await functions.call('put', 'full', 0, 2_000, Buffer.alloc(40_000)), 1);
});
