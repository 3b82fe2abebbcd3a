import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findOrInstall } from './debian-package.js';
import { blocksOf, endGroup, folderLikeCheckout, startShell } from './document-shell.js';
import { freePort } from './free-port.js';

/** "Try it" of docs/access.md, pasted as it stands. Only the ports are other ones. */

t.setTimeout(230_000);

const [port, apiPort, loginPort, redisPort] = await Promise.all(Array.from({ length: 4 }, freePort));
const onFreePorts = (text: string) =>
  text
    .replaceAll(':8000', `:${port}`)
    .replaceAll(':8001', `:${apiPort}`)
    .replaceAll(/\b9000\b/g, String(loginPort))
    .replaceAll('127.0.0.1:6379', `127.0.0.1:${redisPort}`)
    .replaceAll('redis-server ', `redis-server --port ${redisPort} `)
    .replaceAll('redis-cli ', `redis-cli -p ${redisPort} `);

const folder = folderLikeCheckout(t);
const blocks = blocksOf('docs/access.md');
for (const { kind, text } of blocks) {
  const [, name] = /^\/\/ (\S+\.mjs)\n/.exec(text) ?? [];
  if (kind === 'js' && name !== undefined) writeFileSync(join(folder, name), onFreePorts(text));
}

const guides = blocks.filter(({ kind, text }) => kind === 'sh' && /^kill \$server/m.test(text));
const redis = await findOrInstall('redis-server', 'redis-server');
const htpasswd = await findOrInstall('htpasswd', 'apache2-utils');

interface Guide {
  readonly title: string;
  readonly has: string;
  readonly says: readonly RegExp[];
  readonly needs?: readonly { missing?: string }[];
}

const known: Guide[] = [
  {
    title: 'tokens of your own service',
    has: 'node token.mjs',
    says: [/"id":"user\/alice\/news","data":"Hello Alice"/, /You may not read "user\/bob\/news"/],
  },
  {
    title: 'tokens of a login server',
    has: 'node login-server.mjs',
    says: [/"id":"user\/alice\/news","data":"Hello Alice"/],
  },
  {
    title: 'users in Redis',
    has: 'htpasswd -nbB',
    says: [
      /^added alice\nadded bob\nbob has 1 rules$/m,
      /"id":"user\/alice\/news","data":"Hello Alice"/,
      /alice {2}1 rules$/m,
      /bob {2}1 rules$/m,
    ],
    needs: [redis, htpasswd].map((found) => ('missing' in found ? found : {})),
  },
  {
    title: 'both',
    has: 'node device.mjs',
    says: [/"id":"sensor\/sensor-1\/temperature","data":"21\.5"/],
    needs: ['missing' in redis ? redis : {}],
  },
];

t.test('there are four, and this test knows each', async (t) => {
  t.equal(guides.length, 4);
  for (const { has } of known) t.equal(guides.filter(({ text }) => text.includes(has)).length, 1, has);
});

for (const { title, has, says, needs = [] } of known) {
  const missing = needs.find((need) => need.missing !== undefined)?.missing;
  t.test(title, missing === undefined ? {} : { skip: missing }, async (t) => {
    const { text } = guides.find((guide) => guide.text.includes(has))!;
    const environment: NodeJS.ProcessEnv = { ENCKE_PORT: String(port), ENCKE_API_PORT: String(apiPort) };
    // The defaults of the commands, where a block does not name them.
    if (text.includes('--auth-redis')) environment.ENCKE_AUTH_REDIS = `redis://127.0.0.1:${redisPort}`;
    const { child, outcome } = startShell(onFreePorts(text), folder, environment);
    t.teardown(() => endGroup(child));
    const { code, out, err } = await outcome;
    t.equal(code, 0, `it ends well: ${err.slice(-500)}`);
    for (const expected of says) t.match(out, expected);
  });
}
