/**
 * Compiles what is in tsconfig.json, and copies the Lua beside it, where sources are not those that were compiled last:
 * `npm ci`, `npm start` and `npm test` all call it, and only the first pays. Asking tsc itself would take 2 s each time. It
 * goes by what is in the files (50 ms): a newer release from an archive, a checkout or an image may have older times.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = join(root, 'dist/.tsbuildinfo');
/** The file with the digest of the sources that were compiled last. */
const digestFile = join(root, 'dist/.digest');
/** The file that `npx encke` runs. */
const command = join(root, 'dist/cli/encke.js');
const compiled = existsSync(built);
const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
const rooms = include.filter((room) => existsSync(join(root, room)));
const sources = rooms.flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') || name.endsWith('.lua'))
    .map((name) => join(room, name)),
);
const scripts = sources.filter((source) => source.endsWith('.lua'));

const digest = digestOf(['package.json', 'package-lock.json', 'tsconfig.json', ...sources].sort());
const complete = sources.every(
  (source) => source.endsWith('.d.ts') || existsSync(join(root, 'dist', source.replace(/\.ts$/, '.js'))),
);

if (!isUpToDate()) build();

function isUpToDate() {
  return complete && existsSync(digestFile) && readFileSync(digestFile, 'utf8') === digest;
}

function digestOf(inputs) {
  const hash = createHash('sha256');
  for (const input of inputs) {
    const path = join(root, input);
    const text = existsSync(path) ? readFileSync(path) : '';
    hash.update(`${input} ${text.length}\n`).update(text);
  }
  return hash.digest('hex');
}

function build() {
  const installing = process.env.npm_lifecycle_event === 'prepare';
  // An image is built in steps: first the packages, then the sources.
  if (sources.length === 0) return;
  const tsc = compiler();
  if (tsc === undefined) {
    if (existsSync(command)) return; // compiled elsewhere
    console.error(
      'Encke is not compiled (there is no dist/), and the compiler is not installed, as --omit=dev or NODE_ENV=production leaves it out.\n' +
        'Run "npm ci --include=dev", or copy dist/ from where it was built.',
    );
    if (!installing) process.exitCode = 1;
    return;
  }
  console.error(compiled ? 'Compiling what has changed …' : 'Compiling …');
  for (const script of scripts) copy(script);
  // tsc writes nothing of a source that is as it was, even where what it wrote is gone.
  if (!complete) rmSync(built, { force: true });
  const { status } = spawnSync(process.execPath, [tsc, '-p', root], { stdio: 'inherit' });
  // The digest is of the sources before tsc ran: those that change meanwhile are compiled the next time.
  if (status === 0) writeFileSync(digestFile, digest);
  else rmSync(digestFile, { force: true });
  // npx makes it executable only where it sees the folder for the first time.
  if (existsSync(command)) chmodSync(command, 0o755);
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
