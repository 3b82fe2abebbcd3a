import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { ask, Wire } from './raw-wire.js';

oneProcessFile('headers of single answers; nothing crosses');

/** nosniff, a content policy and frame-ancestors are on every page and every answer of both listeners. */

const token = 'a-token-of-some-length';
const gateway = await startGateway({ flags: ['--api-token', token] });
t.teardown(() => gateway.kill());
const { port, apiPort } = gateway;

/** Every path that is bound, with one that is asked for. */
const publicPaths: Record<string, string[]> = {
  '/': ['/'],
  '/numbers': ['/numbers'],
  '/test/*': ['/test/1', '/test/a%00', '/test/1?since=x'],
  '/stream/*': ['/stream/1', '/stream/a%00'],
  '/stream': ['/stream?id=1', '/stream'],
  '/events/*': ['/events/1', '/events/1?cursor=x'],
  '/events': ['/events?id=1&id=2', '/events'],
  '/poll/*': ['/poll/1?timeout=0', '/poll/1?timeout=x'],
  '/poll': ['/poll?id=1&timeout=0', '/poll'],
  '/mqtt': ['/mqtt'],
  '/refresh': ['/refresh?stream=x', '/refresh'],
  '/client.js': ['/client.js', '/client.js.map'],
  '/client/*': ['/client/index.js', '/client/nothing.js'],
  '/demo/mqtt': ['/demo/mqtt'],
  '/demo/mqtt.js': ['/demo/mqtt.js'],
  '/*': ['/nothing-here'],
};
const apiPaths: Record<string, string[]> = {
  '/send/*': ['/send/1', '/send/%zz', '/send/a%00'],
  '/send': ['/send'],
  '/ids/*': ['/ids/1', '/ids/a%00'],
  '/graph': ['/graph'],
  '/graph/*': ['/graph/1/subscribers', '/graph/1/subscriptions', '/graph/a%00/subscribers', '/graph/1'],
  '/kick': ['/kick?user=1', '/kick'],
  '/stats': ['/stats', '/stats?scope=x'],
  '/health': ['/health'],
  '/ready': ['/ready'],
  '/*': ['/nothing-here'],
};
const pages = new Set(['/', '/demo/mqtt', '/test/1']);

/** Head alone, as some answers never end. */
async function headOf(to: number, method: string, path: string, headers = {}): Promise<Wire> {
  const wire = await Wire.open(to);
  const body = method === 'POST' ? { body: '{"id":"1","data":"x"}' } : {};
  wire.ask(path, { method, headers, ...body });
  await until(`${method} ${path} is answered`, () => wire.head !== '');
  await wire.close();
  return wire;
}

/** With the token and without it, from an own page and from a strange one. */
const asking = [
  { Authorization: `Bearer ${token}` },
  { Origin: gateway.url },
  { Origin: 'https://evil.example' },
];
const methods = ['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'BREW'];

for (const [name, to, paths] of [
  ['public listener', port, publicPaths],
  ['router API', apiPort, apiPaths],
] as const) {
  t.test(`every answer of the ${name}`, async (t) => {
    const statuses = new Set<number>();
    for (const path of Object.values(paths).flat()) {
      for (const method of methods) {
        for (const headers of asking) {
          const answer = await headOf(to, method, path, headers);
          const what = `${method} ${path}: ${answer.status}`;
          statuses.add(answer.status);
          t.equal(answer.header('X-Content-Type-Options'), 'nosniff', what);
          const policies = answer.head.match(/^Content-Security-Policy: .*$/gim) ?? [];
          t.equal(policies.length, 1, `${what}: one policy`);
          t.match(policies[0], /default-src 'none'/, what);
          t.match(policies[0], /frame-ancestors 'none'/, what);
          t.notMatch(policies[0], /unsafe|\*(?!:)/, what);
          const isPage = pages.has(path) && ['GET', 'HEAD'].includes(method);
          t.equal(/script-src/.test(policies[0]!), isPage, `${what}: only a page runs scripts`);
        }
      }
    }
    const wanted =
      to === port ? [200, 204, 400, 404, 405, 426, 501] : [200, 204, 400, 401, 403, 404, 405, 501];
    for (const status of wanted) t.ok(statuses.has(status), `${status} was among them`);
  });
}

t.test('answers that come later have them, too', async (t) => {
  const wire = await Wire.open(port);
  wire.ask('/poll/later');
  await until('it waits', async () => {
    const headers = { Authorization: `Bearer ${token}` };
    return (await ask(apiPort, '/ids/later', { headers })).json.subscribers === 1;
  });
  const headers = { Authorization: `Bearer ${token}` };
  await ask(apiPort, '/send/later', { method: 'POST', body: 'x', headers });
  await wire.untilComplete();
  t.equal(wire.header('X-Content-Type-Options'), 'nosniff');
  t.match(wire.header('Content-Security-Policy'), /frame-ancestors 'none'/);
  wire.ask('/poll/later?timeout=1');
  await wire.untilComplete();
  t.equal(wire.status, 204);
  t.match(wire.header('Content-Security-Policy'), /frame-ancestors 'none'/);
  await wire.close();
});

t.test('the tables above have every path that is bound', async (t) => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const files = readdirSync(join(root, 'gateway'), { recursive: true, encoding: 'utf8' });
  const sources = files.filter((file) => file.endsWith('.ts'));
  const bound = sources.flatMap((file) => pathsIn(readFileSync(join(root, 'gateway', file), 'utf8')));
  t.ok(bound.length >= 18, bound.join(' '));
  for (const path of bound) t.ok(path in publicPaths || path in apiPaths, path);
});

function pathsIn(source: string): string[] {
  const direct = [...source.matchAll(/\bbind(?:Path|Script)\(door, ['`]([^'`]+)['`]/g)].map(
    ([, path]) => path!,
  );
  const streams = [...source.matchAll(/^ +bind\('([^']+)', '(\*?)'/gm)].map(([, path, rest]) => path! + rest);
  return [...direct, ...streams].map((path) => path.replace(/\$\{.*\}/, '*'));
}
