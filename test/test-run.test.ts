import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/** `npm test` fails where a file fails, whichever way, and says why. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = t.testdir();
const tap = JSON.stringify(import.meta.resolve('tap'));

function run(file: string, source: string, ...flags: string[]) {
  const path = join(directory, `${file}.test.js`);
  writeFileSync(path, source);
  const command = [join(root, 'scripts/test.mjs'), path, ...flags];
  const { status, stdout } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  return { status, stdout };
}

t.test('a file that passes', async (t) => {
  const { status, stdout } = run(
    'passes',
    `import t from ${tap}; t.ok(true); t.test('inner', async (t) => { t.ok(1); t.ok(2); }); t.test('away', { skip: 'no program' }, async () => {});`,
  );
  t.equal(status, 0);
  t.match(stdout, /Asserts: +3 pass +0 fail +1 skip +4 of 4 complete\nSuites: +1 pass +0 fail /);
  t.match(stdout, /skipped: .*away: no program/);
});

t.test('an assertion that fails is named with its test and what differs', async (t) => {
  const { status, stdout } = run(
    'fails',
    `import t from ${tap}; t.test('outer', async (t) => { t.test('inner', async (t) => { t.equal(1, 2, 'sum'); }); });`,
  );
  t.equal(status, 1);
  t.match(stdout, /outer > inner > sum\n *---\n/);
  t.match(stdout, /Asserts: +0 pass +1 fail /);
  t.match(stdout, /\n *-2\n *\+1\n/);
});

const ends = {
  throws: ['throw new Error("broken")', 'broken'],
  'ends early with code 0': [
    `import t from ${tap}; t.test('long', async () => { process.reallyExit(0); });`,
    'no plan',
  ],
  'is killed': [`import t from ${tap}; t.ok(true); process.kill(process.pid, 'SIGKILL');`, 'SIGKILL'],
  'has no tests': ['', 'no plan'],
} as const;

for (const [what, [source, says]] of Object.entries(ends)) {
  t.test(`a file that ${what}`, async (t) => {
    const { status, stdout } = run('ends', source);
    t.equal(status, 1);
    t.match(stdout.slice(stdout.indexOf('====')), says);
  });
}

t.test('with --again, a file that fails only the first time is named, and the run passes', async (t) => {
  const mark = JSON.stringify(join(directory, 'mark'));
  const { status, stdout } = run(
    'once',
    `import { existsSync, writeFileSync } from 'node:fs'; import t from ${tap}; t.ok(existsSync(${mark})); writeFileSync(${mark}, '');`,
    '--again',
  );
  t.equal(status, 0);
  t.match(stdout, /passed alone \(to be mended\): .*once.test.js\n$/);
});
