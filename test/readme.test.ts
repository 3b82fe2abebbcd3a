import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { findOrInstall } from './debian-package.js';
import {
  blocksOf,
  endGroup,
  folderLikeCheckout,
  type RunningShell,
  type ShellOutcome,
  startShell,
} from './document-shell.js';
import { freePort } from './free-port.js';
import { until } from './until.js';

/**
 * The blocks of the README, run one after the other as they stand, each in a shell of its own. Only the ports are other
 * ones, so that no server of the machine is in the way.
 */

t.setTimeout(300_000);

const root = fileURLToPath(new URL('../..', import.meta.url));
const blocks = blocksOf('README.md');
const shellBlocks = blocks.filter(({ kind }) => kind === 'sh').map(({ text }) => text);
const [startIt, ...others] = shellBlocks;
/** It would run this test. */
const testIt = others.pop();

const [port, apiPort, nodePort, nodeApiPort, otherPort, otherApiPort, redisPort] = await Promise.all(
  Array.from({ length: 7 }, freePort),
);
const onFreePorts = (text: string) =>
  text
    .replaceAll(':8000', `:${port}`)
    .replaceAll(':8001', `:${apiPort}`)
    .replaceAll(/(?<=:|-port )9000\b/g, String(nodePort))
    .replaceAll(/(?<=:|-port )9001\b/g, String(nodeApiPort))
    .replaceAll(/(?<=:|-port )9002\b/g, String(otherPort))
    .replaceAll(/(?<=:|-port )9003\b/g, String(otherApiPort))
    .replaceAll('--engine redis ', `--engine redis --redis redis://127.0.0.1:${redisPort} `)
    .replaceAll('redis-server ', `redis-server --port ${redisPort} `)
    .replaceAll('redis-cli ', `redis-cli -p ${redisPort} `);

/** The defaults of the commands; what a block says itself is stronger. */
const environment = {
  ENCKE_PORT: String(port),
  ENCKE_API_PORT: String(apiPort),
  ENCKE_URL: `http://127.0.0.1:${port}`,
  ENCKE_API_URL: `http://127.0.0.1:${apiPort}`,
};

const folder = folderLikeCheckout(t);

function shell(text: string, cwd = folder): RunningShell {
  return startShell(text, cwd, environment);
}

async function run(t: Test, text: string): Promise<ShellOutcome> {
  const { child, outcome } = shell(onFreePorts(text));
  const { code, out, err } = await outcome;
  t.equal(code, 0, `${text.trim().split('\n')[0]} … ends well: ${err.slice(-300)}`);
  endGroup(child);
  return { code, out, err };
}

// The installed and built files exist, because this test runs.
const server = shell('npm start --ignore-scripts', root);
t.teardown(() => endGroup(server.child));
await Promise.race([
  until('the server is up', () => server.said().includes('/test/123'), 120_000),
  server.outcome.then(({ code, out, err }) => Promise.reject(new Error(`ended with ${code}: ${out}${err}`))),
]);

const redis = await findOrInstall('redis-server', 'redis-server');
const answers: Record<string, RegExp> = {
  "curl -d 'Hello World'": /^\{"delivered":0\}$/m,
  "curl -d 'One more'": /^\{"delivered":0\}\{"messages":2,"delivered":0,"bad":0/m,
  'node dist/cli/encke.js start --port 9000': /^ready$[\s\S]*^204$/m,
  'ulimit -n': /^\d+\n\d+\n\d+$/m,
  'npx encke floodtest -t mqtt-ws': /received +400\b/,
  'curl -sN': /"data":"Hello again"[\s\S]*"data":"Extra, extra"/,
  "curl 'http": /"messages":\[\{"id":"123","data":"Hello World"/,
  'redis-server': /^ready$[\s\S]*^ready$[\s\S]*Hello World/m, // what the nodes say stands between them
  'npx encke send': /received +200\b/,
};

t.test('the first block starts the server, the last one runs the tests', async (t) => {
  t.equal(startIt, 'npm ci && npm start\n');
  t.equal(testIt, 'npm ci && npm test\n');
});

t.test('each block that follows can be pasted: it ends by itself, and does what the text says', async (t) => {
  t.equal(others.length, Object.keys(answers).length, 'of each it is known what it says');
  for (const text of others) {
    const [start, expected] = Object.entries(answers).find(([start]) => text.startsWith(start)) ?? [];
    if (expected === undefined) {
      t.fail(`not known: ${text}`);
    } else if (start === 'redis-server' && 'missing' in redis) {
      process.stderr.write(`\nSKIPPED: nothing of the README was tried on Redis. ${redis.missing}\n\n`);
    } else {
      const { out } = await run(t, text);
      t.match(out, expected, text);
    }
  }
  t.ok(existsSync(join(folder, 'run-messages.svg')), 'and charts are drawn');
});

for (const { text } of blocks.filter(({ kind, text }) => kind === 'js' && text.startsWith('import'))) {
  t.test(`a program: ${text.split('\n')[0]}`, async (t) => {
    const program = onFreePorts(text);
    const running = shell(`node --input-type=module <<'END'\n${program}END`);
    t.teardown(() => endGroup(running.child));
    const send = () => run(t, "curl -d 'Hello World' http://127.0.0.1:8001/send/123");
    const says = async () => {
      await send();
      return /^123 Hello World$/m.test(running.said());
    };
    await until('it says what came', says, 20_000);
  });
}

t.test('the README names no ports but those that this test replaces', async (t) => {
  const ports = new Set(
    [...shellBlocks.join('').matchAll(/(?:127\.0\.0\.1:|port )(\d+)/g)].map(([, n]) => n),
  );
  t.same([...ports].sort(), ['8000', '8001', '9000', '9001', '9002', '9003']);
});
