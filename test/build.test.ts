import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

/** scripts/build.mjs, on a project of one file. */

const root = fileURLToPath(new URL('../..', import.meta.url));

const compilerOptions = {
  module: 'NodeNext',
  rootDir: '.',
  outDir: 'dist',
  types: [],
  lib: ['ES5'], // the smallest, to be quick
  skipLibCheck: true,
  incremental: true,
  tsBuildInfoFile: 'dist/.tsbuildinfo',
};

function projectOf(t: Test, { compiler = true } = {}) {
  // Not below this checkout, whose compiler would be found.
  const path = mkdtempSync(join(tmpdir(), 'encke-build-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  for (const folder of ['cli', 'scripts', 'node_modules']) mkdirSync(join(path, folder));
  writeFileSync(join(path, 'package.json'), '{"type":"module"}');
  writeFileSync(join(path, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['cli'] }));
  writeFileSync(join(path, 'cli/encke.ts'), 'export const answer: number = 1;\n');
  cpSync(join(root, 'scripts/build.mjs'), join(path, 'scripts/build.mjs'));
  if (compiler) symlinkSync(join(root, 'node_modules/typescript'), join(path, 'node_modules/typescript'));
  const output = join(path, 'dist/cli/encke.js');
  return {
    source: join(path, 'cli/encke.ts'),
    output,
    compiled: () => (existsSync(output) ? readFileSync(output, 'utf8') : ''),
    inPath: (name: string) => join(path, name),
    build: (event = 'prestart') => {
      const environment = { PATH: process.env.PATH, npm_lifecycle_event: event };
      const script = join(path, 'scripts/build.mjs');
      const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
        env: environment,
        encoding: 'utf8',
      });
      return { status, said: stdout + stderr };
    },
  };
}

t.test('compiles what is different, and else asks nobody', async (t) => {
  const project = projectOf(t);
  t.match(project.build('prepare'), { status: 0, said: /^Compiling …\n$/ });
  t.match(project.compiled(), 'answer = 1');
  t.equal(statSync(project.output).mode & 0o111, 0o111, 'npx can run it');
  t.same(project.build(), { status: 0, said: '' });

  writeFileSync(project.source, 'export const answer: number = 2;\n');
  t.match(project.build(), { status: 0, said: /^Compiling what has changed …\n$/ });
  t.match(project.compiled(), 'answer = 2');
  t.same(project.build(), { status: 0, said: '' });

  const soon = new Date(Date.now() + 1);
  utimesSync(project.source, soon, soon); // touched, and nothing is different
  t.same(project.build(), { status: 0, said: '' });

  writeFileSync(project.inPath('cli/old.ts'), 'export const old = 3;\n');
  utimesSync(project.inPath('cli/old.ts'), 1, 1); // as of an archive
  t.match(project.build(), { status: 0, said: 'Compiling' });
  t.ok(existsSync(project.inPath('dist/cli/old.js')));
});

t.test('a newer source is compiled although its time is older, as of an archive or a checkout', async (t) => {
  const project = projectOf(t);
  project.build('prepare');
  for (const answer of [2, 3]) {
    writeFileSync(project.source, `export const answer: number = ${answer};\n`);
    utimesSync(project.source, 1, 1);
    t.match(project.build(), { status: 0, said: 'Compiling' });
    t.match(project.compiled(), `answer = ${answer}`);
  }
  t.same(project.build(), { status: 0, said: '' });
});

t.test('missing compiled files are compiled again', async (t) => {
  const project = projectOf(t);
  project.build('prepare');
  rmSync(project.output);
  t.match(project.build(), { status: 0, said: 'Compiling' });
  t.match(project.compiled(), 'answer = 1');
});

t.test(
  'a source that is put back after an error is compiled again, as dist/ may have what it was',
  async (t) => {
    const project = projectOf(t);
    project.build('prepare');
    const good = readFileSync(project.source);
    writeFileSync(project.source, 'export const answer: number = "none";\n');
    t.not(project.build().status, 0);
    writeFileSync(project.source, good);
    t.match(project.build(), { status: 0, said: 'Compiling' });
    t.match(project.compiled(), 'answer = 1');
  },
);

t.test('an error is told each time, until it is mended', async (t) => {
  const project = projectOf(t);
  writeFileSync(project.source, 'export const answer: number = "none";\n');
  for (let times = 0; times < 2; times++) {
    const { status, said } = project.build();
    t.not(status, 0);
    t.match(said, 'TS2322');
  }
  writeFileSync(project.source, 'export const answer: number = 2;\n');
  t.equal(project.build().status, 0);
});

t.test('without the compiler: what is compiled does, and else a sentence says what to do', async (t) => {
  const project = projectOf(t, { compiler: false });
  for (const [event, code] of [
    ['prepare', 0], // "npm ci --omit=dev" is to go through
    ['prestart', 1],
  ] as const) {
    const { status, said } = project.build(event);
    t.equal(status, code, event);
    t.match(said, 'Run "npm ci --include=dev", or copy dist/');
  }
  mkdirSync(project.inPath('dist/cli'), { recursive: true });
  writeFileSync(project.output, '');
  t.same(project.build(), { status: 0, said: '' });
  rmSync(project.inPath('cli'), { recursive: true });
  t.same(project.build(), { status: 0, said: '' });
});
