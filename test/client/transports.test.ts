import t from 'tap';
import { connect } from '../../client/index.js';
import { startGateway } from '../gateway-process.js';
import { SeededRandom } from '../seeded-random.js';
import { until } from '../until.js';
import { listen, proxied } from './client-parts.js';
import { countedTo } from './listener.js';

/** Promises of event streams and long-poll. */

t.setTimeout(240_000);
const gateway = await startGateway();
t.teardown(() => gateway.kill());

for (const transport of ['sse', 'long-poll'] as const) {
  t.test(`${transport}: text, bytes, several ids, their times and cursors`, async (t) => {
    const id = (name: string) => `${transport}/${name} ü&=%?`;
    const ids = [id('a'), id('b'), id('a')];
    const got: Parameters<Parameters<typeof connect>[2]['onMessage']>[0][] = [];
    const connection = connect(`${gateway.url}/`, ids, {
      transport,
      onMessage: (message) => got.push(message),
    });
    t.teardown(() => connection.close());
    t.equal(connection.state, 'connecting');
    await until('open', () => connection.state === 'open');
    const bodies = ['Hello', 'two\r\nlines\n', '', '\u{1f680}\0', 'data: x\n\n'];
    for (const body of bodies) await gateway.send(encodeURIComponent(ids[0]!), body);
    await gateway.send(encodeURIComponent(ids[1]!), new Uint8Array([0xff, 0, 1]));
    await until('all are there', () => got.length === bodies.length + 1);
    t.same(
      got.map(({ id, data }) => [id, data]),
      [...bodies.map((body) => [ids[0], body]), [ids[1], new Uint8Array([0xff, 0, 1])]],
    );
    t.type(got.at(-1)!.data, Uint8Array);
    for (const { time } of got) t.ok(Math.abs(time - Date.now()) < 30_000);
    t.equal(connection.cursor, got.at(-1)!.cursor);
    t.match(connection.cursor, /^\w+:5,1$/);
    t.equal(connection.transport, transport);
  });

  t.test(
    `${transport}: nothing is lost or doubled while the connection is cut again and again`,
    async (t) => {
      const proxy = await proxied(t, gateway);
      const random = new SeededRandom();
      t.comment(`ENCKE_TEST_SEED=${random.seed}`);
      const ids = [`${transport}/cut/a`, `${transport}/cut/b`];
      const listener = await listen(t, proxy.url, ids, { transport }).open();
      let sent = 0;
      let cuts = 0;
      // The pauses of the client are seconds: this goes on until it has come back a few times.
      while (listener.openings < 4) {
        await gateway.send(ids[sent % 2]!, String(++sent));
        if (listener.connection.state === 'open' && random.chance(0.05)) cuts += proxy.cut();
        await new Promise((resolve) => setTimeout(resolve, random.below(120)));
      }
      await listener.has(sent);
      t.ok(cuts >= 3, `${cuts} cuts, ${sent} messages`);
      t.same(listener.texts, countedTo(sent));
      t.equal(listener.recoveries, listener.openings - 1);
      t.same(listener.losses, []);
    },
  );

  t.test(`${transport}: a resume past the history is announced`, async (t) => {
    const proxy = await proxied(t, gateway);
    const id = `${transport}/past`;
    const listener = await listen(t, proxy.url, id, { transport }).open();
    await gateway.send(id, 'seen');
    await listener.has(1);
    proxy.refusal = { status: 503 };
    proxy.cut();
    await until('waiting', () => listener.connection.state === 'waiting');
    for (let n = 1; n <= 150; n++) await gateway.send(id, String(n));
    proxy.refusal = undefined;
    await listener.has(101);
    t.same(listener.texts, ['seen', ...countedTo(150).slice(50)], 'what is left, in order');
    t.same(listener.losses, [{ recovered: false }]);
    t.equal(listener.recoveries, 0);
  });

  t.test(`${transport}: over a restart on the same port the loss is announced, and it goes on`, async (t) => {
    const flags = (port = 0) => ['--port', String(port), '--drain-sec', '0'];
    let own = await startGateway({ flags: flags() });
    t.teardown(() => own.kill());
    const { url, port } = own;
    const listener = await listen(t, url, 'x', { transport }).open();
    await own.send('x', '1');
    await listener.has(1);
    await own.kill('SIGTERM');
    await until('waiting', () => listener.connection.state === 'waiting');
    own = await startGateway({ flags: flags(port) });
    await own.send('x', '2');
    await until('open again', () => listener.openings === 2, 20_000);
    await own.send('x', '3');
    await listener.has(3);
    t.same(listener.texts, countedTo(3));
    t.same(listener.losses, [{ recovered: false }]);
  });

  t.test(`${transport}: what can never be answered ends it, with the server's own sentence`, async (t) => {
    for (const [ids, options, sentence] of [
      ['a/+', {}, /400: .*wildcards/],
      [['a', 'b'], { cursor: 'x:1' }, /400: .*one offset for each id/],
      ['a', { cursor: 'nonsense' }, /400: .*epoch:offset/],
    ] as const) {
      const listener = listen(t, gateway.url, ids, { ...options, transport });
      await until('failed', () => listener.connection.state === 'failed');
      t.match(listener.errors, [{ name: 'RefusedError', status: 400, message: sentence }]);
      t.equal(listener.delaysMs.length, 0, 'without another attempt');
    }
  });

  t.test(`${transport}: 429 and 503 are waited for, as long as Retry-After says`, async (t) => {
    for (const status of [429, 503]) {
      const proxy = await proxied(t, gateway);
      proxy.refusal = { status, headers: { 'retry-after': '1' } };
      const listener = listen(t, proxy.url, 'later', { transport });
      await until('waiting', () => listener.connection.state === 'waiting');
      proxy.refusal = undefined;
      await listener.open();
      const [first, second] = proxy.askedAtMs;
      t.ok(second! - first! >= 990, `${status}: came back after ${second! - first!} ms`);
      t.ok(listener.delaysMs[0]! >= 1_000 && listener.delaysMs[0]! <= 2_000);
      listener.connection.close();
    }
  });
}
