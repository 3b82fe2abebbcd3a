import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/** Which rooms each room may import from. Arrows run one way; the tools know nothing of the server they test. */
const arrows: Record<string, string[]> = {
  'redis-access': ['redis-access'],
  router: ['router', 'store', 'redis-access'],
  store: ['store'],
  access: ['access', 'redis-access'],
  gateway: ['gateway', 'access', 'router', 'redis-access'],
  msggen: ['msggen', 'redis-access'],
  floodtest: ['floodtest', 'msggen'],
  charts: ['charts'],
  client: ['client'],
  admin: ['admin', 'gateway', 'access', 'router', 'redis-access'],
  cli: ['cli', 'admin', 'client', 'gateway', 'access', 'msggen', 'floodtest', 'charts', 'redis-access'],
};

const root = fileURLToPath(new URL('../..', import.meta.url));

for (const [room, allowed] of Object.entries(arrows)) {
  t.test(`${room} imports only from ${allowed.join(', ')}`, async (t) => {
    const files = readdirSync(join(root, room), { recursive: true, encoding: 'utf8' });
    const sources = files.filter((file) => file.endsWith('.ts'));
    t.not(sources.length, 0);
    for (const source of sources) {
      const path = join(root, room, source);
      for (const imported of importsOf(path)) {
        if (imported.startsWith('.')) {
          const target = relative(root, join(dirname(path), imported)).split('/')[0]!;
          t.ok(allowed.includes(target), `${room}/${source} -> ${imported}`);
        } else if (imported === 'uWebSockets.js') {
          t.equal(room, 'gateway', `${room}/${source} -> ${imported}: sockets are the gateway's`);
          const value = /import (?!type)[^;]*'uWebSockets\.js'/.exec(readFileSync(path, 'utf8'));
          t.equal(value, null, `${room}/${source}: values come from gateway/uws.ts`);
        }
      }
    }
  });
}

function importsOf(path: string): string[] {
  const source = readFileSync(path, 'utf8');
  return [...source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}
