import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { startGateway } from '../gateway-process.js';
import { SeededRandom } from '../seeded-random.js';
import { until } from '../until.js';
import { listen, proxied } from './client-parts.js';
import { countedTo, type Listener } from './listener.js';

/** Connections that share a stream: what one of them does, or is refused, is its own affair. */

t.setTimeout(240_000);
/** ENCKE_TEST_STEPS=300 and more outside of the suite. */
const steps = Number(process.env.ENCKE_TEST_STEPS ?? 100);
delete process.env.ENCKE_TEST_STEPS; // the gateway refuses what it does not know
const gateway = await startGateway({ flags: ['--history-rules', 'bare/# 0 0;# 1000 60'] });
t.teardown(() => gateway.kill());

const share = true;
const forever = () => new Promise<void>(() => {});

const streams = (paths: readonly string[]) => paths.filter((path) => path.startsWith('/events')).length;

t.test('one whose promise never settles holds the others up until it is closed, and no longer', async (t) => {
  for (const transport of ['sse', 'long-poll'] as const) {
    const id = `held/${transport}`;
    const proxy = await proxied(t, gateway);
    const other = await listen(t, proxy.url, id, { share, transport }).open();
    const held = listen(t, proxy.url, id, { share, transport, onMessage: forever });
    await held.open();
    for (const text of countedTo(3)) await gateway.send(id, text);
    await other.has(1);
    held.connection.close();
    await other.has(3);
    t.same([other.texts, other.openings, other.losses], [countedTo(3), 1, []], transport);
  }
});

t.test('one that is closed asks for nothing more: reconnect, add and remove change nothing', async (t) => {
  const proxy = await proxied(t, gateway);
  const stays = await listen(t, proxy.url, 'over/a', { share }).open();
  const goes = await listen(t, proxy.url, 'over/b', { share }).open();
  goes.connection.close();
  // Of one, of the other to bring it up, of both, and of one again.
  await until('without it', () => proxy.asked.length === 4);
  await until('logged in', async () => (await gateway.send('over/a', 'x')) === 1);
  const asked = proxy.asked.length;
  goes.connection.reconnect();
  goes.connection.remove('over/b/none');
  await goes.connection.add('over/c');
  await new Promise((resolve) => setTimeout(resolve, 500)); // longer than a jitter
  t.same([proxy.asked.length, stays.connection.state], [asked, 'open']);
});

t.test(
  'an id without history whose connection is closed while it is asked for leaves no stream',
  async (t) => {
    const proxy = await proxied(t, gateway);
    const stays = await listen(t, proxy.url, 'left/a', { share }).open();
    proxy.latencyMs = 300;
    const asked = proxy.asked.length;
    const goes = listen(t, proxy.url, 'bare/left', { share });
    await until('it is asked for', () => proxy.asked.length > asked);
    goes.connection.close();
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // two answers and more
    t.notOk(proxy.asked.slice(asked).some((path) => path.startsWith('/events') && path.includes('bare')));
    t.equal(await gateway.send('bare/left', 'x'), 0);
    await gateway.send('left/a', '1');
    await stays.has(1);
  },
);

t.test('headers that differ are not shared, whatever object they are in', async (t) => {
  const tokens = new Set<string | undefined>();
  const server = createServer(({ headers }, response) => {
    tokens.add(headers.authorization);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('retry: 1000\nevent: cursor\nid: epoch:1\ndata: {"cursor":"epoch:1"}\n\n');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const token of ['one', 'two']) {
    // A type of JavaScript alone, as fetch takes it.
    const headers = new Headers({ Authorization: token }) as unknown as Record<string, string>;
    const listener = await listen(t, url, 'x', { share, headers }).open();
    await until('it has a cursor', () => listener.connection.cursor !== undefined);
  }
  t.same([...tokens].sort(), ['one', 'two']);
});

t.test('where a question of one of them is never answered, the stream goes on', async (t) => {
  const server = await fake(t, ({ method, url }, response) => {
    if (method === 'HEAD') return; // never
    response.writeHead(200, { 'content-type': 'text/event-stream', 'encke-heartbeat': '45; first=3' });
    response.write('retry: 1000\n');
    if (new URL(url!, server.url).searchParams.has('cursor'))
      response.write('event: recovered\nid: new:0,0\ndata: {"recovered":false}\n\n');
    else response.write('event: cursor\nid: old:5,5\ndata: {"cursor":"old:5,5"}\n\n');
    response.write('id: new:1,0\ndata: {"id":"a","data":"1","time":1}\n\n');
  });
  const [one, other] = ['a', 'b'].map((id) =>
    listen(t, server.url, id, { share, cursor: 'old:3', heartbeatTimeoutMs: 60_000 }),
  ) as [Listener, Listener];
  await one.has(1, 15_000); // both are asked about at the same time
  t.equal(one.losses.length, 1);
  t.equal(other.losses.length, 1, 'what is not known is a loss');
});

t.test(
  'one that joins while another handles a message, and the stream was cut meanwhile, is served',
  async (t) => {
    for (const transport of ['sse', 'long-poll'] as const) {
      const proxy = await proxied(t, gateway);
      const [a, b, c] = ['a', 'b', 'c'].map((name) => `joins/${transport}/${name}`) as [
        string,
        string,
        string,
      ];
      const stays = await listen(t, proxy.url, a, { share, transport }).open();
      for (const text of countedTo(3)) await gateway.send(b, text);
      let release = () => {};
      const slow = listen(t, proxy.url, b, {
        share,
        transport,
        since: 'oldest',
        onMessage: ({ data }) => {
          if (slow.texts.push(String(data)) === 2) return new Promise<void>((resolve) => (release = resolve));
          return undefined;
        },
      });
      await slow.has(2);
      proxy.cut();
      await until('the stream is back', () => stays.openings === 2);
      const joined = listen(t, proxy.url, c, { share, transport });
      await new Promise((resolve) => setTimeout(resolve, 100)); // it has asked to be served, and waits
      release();
      await joined.open();
      await gateway.send(c, '1');
      await joined.has(1);
      await slow.has(3);
      t.same([slow.texts, slow.losses, joined.losses], [countedTo(3), [], []], transport);
    }
  },
);

t.test('more ids than the server takes in one request: each of them is served all the same', async (t) => {
  const proxy = await proxied(t, gateway);
  const ids = (name: string, count: number) => Array.from({ length: count }, (_, n) => `full/${name}/${n}`);
  const one = await listen(t, proxy.url, ids('one', 40), { share }).open();
  const other = await listen(t, proxy.url, ids('other', 20), { share }).open();
  await other.connection.add(ids('more', 30));
  for (const id of ['full/one/39', 'full/other/0', 'full/more/29']) await gateway.send(id, id);
  await one.has(1);
  await other.has(2);
  t.same([one.losses, other.losses, one.errors, other.errors], [[], [], [], []]);
});

t.test(
  'connections come and go at random over a proxy that cuts: each has all of its ids, in order',
  async (t) => {
    const random = new SeededRandom();
    t.comment(`ENCKE_TEST_SEED=${random.seed}`);
    for (const transport of ['sse', 'long-poll', 'auto'] as const) {
      const proxy = await proxied(t, gateway);
      const ids = Array.from({ length: 6 }, (_, n) => `model/${transport}/${n}, é/\u{1f680}`);
      const sent = new Map(ids.map((id) => [id, 0]));
      const send = async () => {
        const id = random.pick(ids);
        sent.set(id, sent.get(id)! + 1);
        await gateway.send(encodeURIComponent(id), String(sent.get(id)));
      };
      const members: Logical[] = [];
      const join = () => {
        const since = random.chance(0.5) ? 'now' : 'oldest';
        const slow = random.chance(0.3);
        const own = ids.filter(() => random.chance(0.4));
        const chosen = own.length > 0 ? own : [ids[0]!];
        const got = new Map<string, number[]>();
        const listener = listen(t, proxy.url, chosen, {
          share,
          transport,
          since,
          greetingTimeoutMs: 500,
          onLost: (loss) => {
            // Cut between the greeting and its first cursor: nobody knows then what came in between.
            if (got.size > 0 || listener.connection.cursor !== undefined) listener.losses.push(loss);
          },
          onMessage: ({ id, data }) => {
            got.set(id, [...(got.get(id) ?? []), Number(data)]);
            return slow ? new Promise((resolve) => setTimeout(resolve, random.below(5))) : undefined;
          },
        });
        members.push({ listener, got, from: new Map(since === 'oldest' ? chosen.map((id) => [id, 0]) : []) });
      };
      for (let n = 0; n < 4; n++) join();
      for (let n = 0; n < steps; n++) {
        await send();
        if (random.chance(0.3)) await new Promise((resolve) => setTimeout(resolve, random.below(40)));
        const member = random.pick(members);
        if (random.chance(0.03)) join();
        if (random.chance(0.03) && members.length > 2) {
          member.listener.connection.close();
          members.splice(members.indexOf(member), 1);
        } else if (random.chance(0.05)) {
          const id = random.pick(ids);
          if (!member.listener.connection.ids.includes(id)) {
            void member.listener.connection.add(id, { since: 'oldest' });
            member.got.delete(id);
            member.from.set(id, 0);
          }
        } else if (random.chance(0.04)) {
          const { connection } = member.listener;
          const id = random.pick(connection.ids as string[]);
          if (connection.ids.length > 1) connection.remove(id);
        } else if (random.chance(0.06)) {
          proxy.cut();
        } else if (random.chance(0.02)) {
          member.listener.connection.reconnect();
        } else if (transport === 'auto' && random.chance(0.025)) {
          proxy.buffers = !proxy.buffers;
        }
      }
      proxy.buffers = false;
      for (const { listener } of members) {
        // After so many cuts the next attempt may be half a minute away.
        if (listener.connection.state === 'waiting') listener.connection.reconnect();
        await listener.open();
      }
      for (const { listener, got, from } of members) {
        for (const id of listener.connection.ids) {
          const count = sent.get(id)!;
          const all = () => (got.get(id) ?? []).at(-1) === count || (count === 0 && !got.has(id));
          // Of `now`, nothing may have been sent since.
          if (from.has(id)) await until(`all of ${id}`, all, 30_000);
          else await until(`the rest of ${id}`, () => all() || !got.has(id), 30_000);
          const numbers = got.get(id) ?? [];
          const first = from.has(id) ? 1 : (numbers[0] ?? 1);
          t.same(
            numbers,
            Array.from({ length: numbers.length }, (_, i) => first + i),
            `${transport} ${id}`,
          );
        }
        t.same(listener.losses, []);
        t.same(listener.errors, []);
      }
      for (const { listener } of members) listener.connection.close();
      await until('nobody is logged in', async () => {
        const counts = await Promise.all(ids.map((id) => gateway.send(encodeURIComponent(id), 'x')));
        return counts.every((count) => count === 0);
      });
      t.comment(`${transport}: ${proxy.asked.length} requests, ${streams(proxy.asked)} streams`);
    }
  },
);

interface Logical {
  readonly listener: Listener;
  readonly got: Map<string, number[]>;
  /** Ids of which all must be there. */
  readonly from: Map<string, number>;
}

async function fake(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string }> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
