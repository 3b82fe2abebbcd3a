/**
 * Compiles what is in tsconfig.json, and copies the Lua beside it, where a source is newer than what was compiled last: `npm ci`, `npm start` and
 * `npm test` all call it, and only the first pays. Asking tsc itself would take 2 s each time.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = join(root, 'dist/.tsbuildinfo');
const compiled = existsSync(built);
const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
const rooms = include.filter((room) => existsSync(join(root, room)));
const sources = rooms.flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') || name.endsWith('.lua'))
    .map((name) => join(room, name)),
);
const scripts = sources.filter((source) => source.endsWith('.lua'));

if (!isUpToDate()) build();

function isUpToDate() {
  if (!compiled) return false;
  const builtMs = statSync(built).mtimeMs;
  const inputs = ['package.json', 'package-lock.json', 'tsconfig.json', ...sources];
  return (
    inputs.every(
      (input) => !existsSync(join(root, input)) || statSync(join(root, input)).mtimeMs <= builtMs,
    ) &&
    sources.every(
      (source) => source.endsWith('.d.ts') || existsSync(join(root, 'dist', source.replace(/\.ts$/, '.js'))),
    )
  );
}

function build() {
  const installing = process.env.npm_lifecycle_event === 'prepare';
  // An image is built in steps: first the packages, then the sources.
  if (sources.length === 0) return;
  const tsc = compiler();
  if (tsc === undefined) {
    if (existsSync(join(root, 'dist/cli/encke.js'))) return; // compiled elsewhere
    console.error(
      'Encke is not compiled (there is no dist/), and the compiler is not installed, as --omit=dev or NODE_ENV=production leaves it out.\n' +
        'Run "npm ci --include=dev", or copy dist/ from where it was built.',
    );
    if (!installing) process.exitCode = 1;
    return;
  }
  console.error(compiled ? 'Compiling what has changed …' : 'Compiling …');
  const started = new Date();
  for (const script of scripts) copy(script);
  const { status } = spawnSync(process.execPath, [tsc, '-p', root], { stdio: 'inherit' });
  // tsc leaves its file as it is where nothing was to be written. What is changed while it runs is newer than this.
  if (existsSync(built)) utimesSync(built, started, status === 0 ? started : 0);
  if (status !== 0) process.exitCode = status ?? 1;
}

function copy(script) {
  const target = join(root, 'dist', script);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(root, script), target);
}

function compiler() {
  try {
    return createRequire(join(root, 'package.json')).resolve('typescript/bin/tsc');
  } catch {
    return undefined;
  }
}
