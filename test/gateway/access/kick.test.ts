import t, { type Test } from 'tap';
import { unrestricted } from '../../../access/identity.js';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { ClientClaims } from '../../../gateway/mqtt/client-claims.js';
import { encke } from '../../cli/encke.js';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { until } from '../../until.js';
import { openRaw } from '../mqtt/raw-client.js';
import { ask, basic, bearer, streamAs, Wire } from '../raw-wire.js';
import { accepted, askWithoutHistory, startFor, statsOf, userWith } from './in-process.js';

/** An operator ends connections: which ones, what they are told, and what is forgotten. */

async function start(t: Test) {
  const { running, authenticator } = await startFor(
    t,
    ({ token, userName }) => {
      if (token === 'root') return accepted(unrestricted);
      if (userName === undefined) return { outcome: 'unknown' };
      return accepted(userWith(userName, { permission: 'allow', action: 'subscribe', filter: '#' }));
    },
    {},
  );
  const { port, apiPort } = running;
  return {
    running,
    authenticator,
    stream: (path: string, user: string) => streamAs(t, port, path, basic(user, 'x')),
    async client(userName: string, clientId: string, ...filters: string[]): Promise<RawMqtt> {
      const client = await openRaw(t, running);
      client.send(connect({ clientId, userName, password: 'x' }));
      t.match(await client.next(), { type: 'CONNACK', returnCode: 0 });
      for (const filter of filters) await client.subscribe(filter);
      return client;
    },
    kick: (query: string, by = bearer('root')) => ask(apiPort, `/kick?${query}`, { method: 'POST', ...by }),
    open: (): number => statsOf(running).connections.open,
    ended: (): number => statsOf(running).connections.closed.kicked,
  };
}

t.test('all connections of a user end, each with its own reason, and nobody else’s', async (t) => {
  const { running, authenticator, stream, client, kick, open, ended } = await start(t);
  const events = await stream('/events/a', 'alice');
  const lines = await stream('/stream?id=a&id=b', 'alice');
  const page = await stream('/test/a', 'alice');
  const poll = await Wire.open(running.port);
  t.teardown(() => poll.close());
  poll.ask('/poll/a?timeout=60', basic('alice', 'x'));
  const device = await client('alice', 'device');
  const other = await stream('/events/a', 'bob');
  const otherDevice = await client('bob', 'alice');
  await until('all are open', () => open() === 7);
  const answer = await kick('user=alice');
  t.equal(answer.status, 200);
  t.same(answer.json, { kicked: 5 });
  await Promise.all([events, lines, page, poll].map((wire) => wire.untilComplete()));
  t.match(events.text, /event: closed\ndata: \{"reason":"kicked"\}\n\n$/);
  t.match(lines.text, /^\{"closed":"kicked"\}$/m);
  t.match(page.text, /<i>An operator has ended this connection\.<\/i>/);
  t.equal(poll.status, 204);
  await device.untilClosed();
  t.equal(`${device.closeCode} ${device.closeReason}`, '1008 kicked');
  t.equal(ended(), 5);
  t.equal(open(), 2);
  t.notOk(other.complete);
  t.same(await otherDevice.untilPong(), []);
  t.ok(authenticator.revoked.includes('alice'), 'what authenticators keep of alice does not count any more');
  t.notOk(authenticator.revoked.includes('bob'));
  t.match(running.log(), /"users":\["alice"\].*"connections":5/);
  t.equal((await stream('/events/a', 'alice')).status, 200, 'a user that is still good comes back');
});

t.test('client ids and ids name connections, too; several names at once', async (t) => {
  const { stream, client, kick, open } = await start(t);
  const one = await client('alice', 'sensor/7', 'x');
  const two = await client('alice', 'two', 'room/1', 'other');
  const all = await client('alice', 'all', '#');
  const reader = await stream('/events?id=room/1&id=room/2', 'bob');
  const elsewhere = await stream('/events/room/2', 'bob');
  t.same((await kick('client=sensor%2F7')).json, { kicked: 1 });
  await one.untilClosed();
  t.same((await kick('id=room/1')).json, { kicked: 2 });
  await two.untilClosed();
  await reader.untilComplete();
  t.same(await all.untilPong(), [], 'a filter that matches it is no id');
  t.equal(open(), 2);
  t.same((await kick('user=carol&client=all&user=bob')).json, { kicked: 2 });
  await elsewhere.untilComplete();
  t.same((await kick('user=nobody')).json, { kicked: 0 });
});

t.test('only superusers may, and a call names somebody', async (t) => {
  const { stream, kick, open } = await start(t);
  const wire = await stream('/events/a', 'alice');
  t.equal((await kick('user=alice', {})).status, 401);
  const forbidden = await kick('user=alice', basic('alice', 'x'));
  t.equal(forbidden.status, 403);
  t.match(forbidden.text, /Only superusers/);
  for (const query of ['', 'user=', 'name=alice', `id=${encodeURIComponent('a/#')}`])
    t.equal((await kick(query)).status, 400, query);
  t.equal((await kick(Array(101).fill('user=x').join('&'))).status, 400);
  t.notOk(wire.complete);
  t.equal(open(), 1);
});

t.test(
  'a CONNECT that is being checked while its user is kicked is not let in by what was known before',
  async (t) => {
    const { running, authenticator, kick } = await start(t);
    const client = await openRaw(t, running);
    const { answer } = authenticator;
    authenticator.wait();
    client.send(connect({ clientId: 'late', userName: 'alice', password: 'x' }));
    await until('it is asked', () => authenticator.asked.length === 1);
    authenticator.answer = answer;
    t.equal((await kick('user=alice')).status, 200);
    authenticator.release(accepted(userWith('alice')));
    t.match(await client.next(), { type: 'CONNACK', returnCode: 3 });
  },
);

/** CONNECTs that are accepted wait for their client ids, until they are told to go on. */
function holdClaims(t: Test): { held: Channel[]; goOn: () => void } {
  const { waits } = ClientClaims.prototype;
  const restore = () => {
    ClientClaims.prototype.waits = waits;
  };
  t.teardown(restore);
  const held: Channel[] = [];
  ClientClaims.prototype.waits = (channel) => {
    held.push(channel);
    return true;
  };
  return {
    held,
    goOn() {
      restore();
      for (const channel of held) channel.goOn();
    },
  };
}

t.test('a CONNECT that is accepted and waits for its client id ends, too', async (t) => {
  const { running, authenticator, kick, open } = await start(t);
  const { answer } = authenticator;
  const ask = async (clientId: string, userName: string) => {
    const client = await openRaw(t, running);
    client.send(connect({ clientId, userName, password: 'x' }));
    return client;
  };
  const { held, goOn } = holdClaims(t);
  authenticator.wait();
  const late = await ask('late', 'alice');
  await until('the authenticator is asked', () => authenticator.asked.length === 1);
  authenticator.release(answer(authenticator.asked[0]!) as Awaited<ReturnType<typeof answer>>);
  await until('it is accepted', () => held.length === 1);
  authenticator.answer = answer;
  const clients = [late, await ask('at once', 'alice'), await ask('by id', 'bob'), await ask('bobs', 'bob')];
  await until('all are accepted', () => held.length === clients.length);
  const asked = authenticator.asked.length;
  t.same((await kick('user=alice&client=by+id')).json, { kicked: 0 });
  const askedForKick = authenticator.asked.length - asked;
  goOn();
  const answers = await Promise.all(clients.map((client) => client.next()));
  t.match(
    answers,
    [3, 3, 3, 0].map((returnCode) => ({ type: 'CONNACK', returnCode })),
  );
  t.equal(authenticator.asked.length, asked + askedForKick, 'nobody is asked once more about who waits');
  await until('the refused ones are gone', () => open() === 1);
});

t.test('streams and polls whose history is being read end, too', async (t) => {
  const { running, kick } = await start(t);
  const lines = ['/stream/a alice', '/poll/b?timeout=60 alice', '/events/c bob', '/events/d bob'];
  const { asked, answers } = await askWithoutHistory(t, running.port, lines);
  t.same((await kick('user=alice&id=c')).json, { kicked: 0 });
  t.same(await answers(), [503, 503, 503, 200]);
  await until('it says so', () => /An operator has ended your connections/.test(asked[0]!.text));
});

t.test('encke kick', async (t) => {
  const { running, stream, client } = await start(t);
  const url = `http://127.0.0.1:${running.apiPort}`;
  const run = (...args: string[]) => encke(['kick', '--url', url, ...args]);
  const alice = await stream('/events/a', 'alice');
  const bob = await client('bob', 'b o&b');
  t.same(await run('--token', 'root', 'alice', '--client-id', 'b o&b'), {
    code: 0,
    stdout: '{"kicked":2}\n',
    stderr: '',
  });
  await alice.untilComplete();
  await bob.untilClosed();
  const refused = await run('alice');
  t.equal(refused.code, 1);
  t.match(refused.stderr, /^encke kick: 401: /);
  const nobody = await run();
  t.equal(nobody.code, 2);
  t.match(nobody.stderr, /name a user, or give --client-id or --id/);
});
