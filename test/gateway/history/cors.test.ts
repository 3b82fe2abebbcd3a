import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { ask, Wire } from '../raw-wire.js';
import { startQuietly } from './ask-poll.js';

oneProcessFile('headers of single answers; nothing crosses');

const some = await startQuietly(['--allow-origin', 'https://a.example,https://b.example:8443']);
const any = await startQuietly(['--allow-origin', '*']);
const none = await startQuietly();
for (const gateway of [some, any, none]) t.teardown(() => gateway.kill());

/** The head of an answer, of a stream too. */
async function headOf(port: number, path: string, origin: string | undefined, method = 'GET'): Promise<Wire> {
  const wire = await Wire.open(port);
  wire.ask(path, { method, headers: origin === undefined ? {} : { Origin: origin } });
  await until('its head is here', () => wire.head !== '');
  await wire.close();
  return wire;
}

const paths = [
  '/events/1',
  '/events?id=1',
  '/stream/1',
  '/stream?id=1',
  '/poll/1?timeout=0',
  '/poll?id=1&timeout=0',
];
const errors = [
  '/events/a%00',
  '/stream/a%00',
  '/poll/a%00',
  '/poll/1?timeout=x',
  '/events/1?cursor=x',
  '/stream/1?since=x',
];

t.test('answers, errors and preflights name an origin that is allowed, and no other', async (t) => {
  for (const [method, path] of [
    ...paths.map((path) => ['GET', path]),
    ...errors.map((path) => ['GET', path]),
    ...paths.map((path) => ['OPTIONS', path]),
    ...paths.map((path) => ['HEAD', path]),
  ] as [string, string][]) {
    const what = `${method} ${path}`;
    const allowed = await headOf(some.port, path, 'https://b.example:8443', method);
    t.equal(allowed.header('Access-Control-Allow-Origin'), 'https://b.example:8443', what);
    t.match(
      allowed.header('Access-Control-Expose-Headers'),
      /Encke-Cursor, Encke-Recovered, ETag, Retry-After/,
      what,
    );
    t.equal(allowed.header('Vary'), 'Origin', what);
    for (const origin of ['https://evil.example', 'https://b.example', 'null', undefined]) {
      const other = await headOf(some.port, path, origin, method);
      t.equal(other.header('Access-Control-Allow-Origin'), undefined, `${what} from ${origin}`);
      t.equal(other.header('Vary'), 'Origin', `${what} from ${origin}`);
    }
    t.equal(
      (await headOf(any.port, path, 'https://x.example', method)).header('Access-Control-Allow-Origin'),
      '*',
      what,
    );
    t.equal(
      (await headOf(none.port, path, 'https://x.example', method)).header('Access-Control-Allow-Origin'),
      undefined,
    );
  }
});

t.test('a preflight says what a page may send', async (t) => {
  for (const path of paths) {
    const headers = { Origin: 'https://a.example', 'Access-Control-Request-Method': 'GET' };
    const answer = await ask(some.port, path, { method: 'OPTIONS', headers });
    t.equal(answer.status, 204);
    t.equal(answer.header('Access-Control-Allow-Methods'), 'GET');
    t.match(answer.header('Access-Control-Allow-Headers'), /If-None-Match, Last-Event-ID/);
  }
});

t.test('a poll that has waited has them, too', async (t) => {
  const wire = await Wire.open(some.port);
  wire.ask('/poll/waits', { headers: { Origin: 'https://a.example' } });
  await until('it waits', async () => (await some.stats()).connections.open === 1);
  await some.send('waits', 'm1');
  await wire.untilComplete();
  t.equal(wire.header('Access-Control-Allow-Origin'), 'https://a.example');
  wire.ask('/poll/waits?timeout=1', { headers: { Origin: 'https://a.example' } });
  await wire.untilComplete();
  t.equal(wire.status, 204);
  t.equal(wire.header('Access-Control-Allow-Origin'), 'https://a.example');
  await wire.close();
});
