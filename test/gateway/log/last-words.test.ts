import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { killAtExit, plainNode } from '../../child-processes.js';
import { NamedPipe } from './named-pipe.js';

/** The last words of a process that ends by an error, for each kind of standard error; and that it ends. */

const directory = mkdtempSync(join(tmpdir(), 'encke-last-words-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const processLog = new URL('../../../gateway/log/process-log.js', import.meta.url).href;
const program = join(directory, 'failing.mjs');
writeFileSync(
  program,
  `import { openProcessLog } from '${processLog}';
  const { log } = openProcessLog({ logLevel: 'info', logPendingBytesMax: 4096 });
  setInterval(() => {}, 1000);
  setTimeout(() => {
    log.info('before');
    throw new Error('our bug');
  });`,
);

/** @returns exit code, and how long it took */
async function run(stderr: number | 'pipe') {
  const startedMs = performance.now();
  const child = spawn(plainNode[0], [...plainNode.slice(1), program], {
    stdio: ['ignore', 'ignore', stderr],
  });
  killAtExit(child);
  let said = '';
  child.stderr?.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  return { code, said, tookMs: performance.now() - startedMs };
}

function isWhole(text: string): boolean {
  const [before, error, end] = text.split('\n');
  const { level, err, msg } = JSON.parse(error!);
  return (
    JSON.parse(before!).msg === 'before' &&
    level === 60 &&
    msg.startsWith('uncaught error') &&
    err.message === 'our bug' &&
    err.stack.includes('failing.mjs') &&
    end === ''
  );
}

t.test('a socket', async (t) => {
  const { code, said } = await run('pipe'); // which Node makes of a pair of sockets
  t.equal(code, 1);
  t.ok(isWhole(said), said);
});

t.test('a pipe', async (t) => {
  const pipe = new NamedPipe();
  t.teardown(() => pipe.close());
  t.equal((await run(pipe.writeEnd)).code, 1);
  const said = pipe.read();
  t.ok(isWhole(said), said);
});

t.test('a file', async (t) => {
  const path = join(directory, 'encke.log');
  const file = openSync(path, 'a');
  t.equal((await run(file)).code, 1);
  closeSync(file);
  const said = readFileSync(path, 'utf8');
  t.ok(isWhole(said), said);
});

t.test('a pipe that nobody reads, and a full disk', async (t) => {
  const pipe = new NamedPipe();
  const full = openSync('/dev/full', 'w');
  t.teardown(() => {
    pipe.close();
    closeSync(full);
  });
  pipe.fill();
  for (const fd of [pipe.writeEnd, full]) {
    const { code, tookMs } = await run(fd);
    t.equal(code, 1);
    t.ok(tookMs < 30_000, 'it ends');
  }
});
