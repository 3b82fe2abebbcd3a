import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { plainNode } from './child-processes.js';

/**
 * The test files of a room once more, each as a process of its own, with two nodes on a redis-server in the place of each
 * server that it starts: publishers on the one, everybody else on the other. `npm run build && ENCKE_TEST_NODES=2 npx tap
 * dist/test/gateway/streams.test.js` does so with a single file.
 *
 * All of them run but those that say that they are about one process, and why; that list is printed, and `leftOut` says
 * how long it is, so that nothing is left out unseen.
 */

export interface Part {
  /** Below test/. */
  room: string;
  /** Of its files; where a room takes long, it is several parts. */
  only?: (file: string) => boolean;
  /** Files that are not started, and tests that are left out in the others. */
  leftOut: { files: number; tests: number };
}

const tests = fileURLToPath(new URL('.', import.meta.url));
/** Of one part; a busy machine takes three times as long as a quiet one. */
const timeoutMs = 400_000;
/** Without tap's module hooks, which take a second of CPU a file. */
const [command, ...args] = plainNode;

export async function onTwoNodes({ room, only = () => true, leftOut }: Part): Promise<void> {
  t.setTimeout(timeoutMs);
  const names = readdirSync(`${tests}${room}`).filter((name) => name.endsWith('.test.js') && only(name));
  const found = { files: 0, tests: 0 };
  for (const name of names) {
    const file = `${tests}${room}/${name}`;
    const source = readFileSync(file, 'utf8');
    const [whole] = reasonsIn(source, 'oneProcessFile');
    if (whole !== undefined) {
      found.files++;
      t.comment(`left out: all of ${room}/${name}: ${whole}`);
      continue;
    }
    const reasons = new Set(reasonsIn(source, 'oneProcess'));
    const env = { ...process.env, ENCKE_TEST_NODES: '2' };
    const results = await t.spawn(command, [...args, file], { env }, `${room}/${name} on two nodes`);
    for (const { name: test, skip } of results?.skips ?? []) {
      if (!reasons.has(String(skip))) continue; // it lacks a program, and says so itself
      found.tests++;
      t.comment(`left out: ${room}/${name}: ${test}: ${skip}`);
    }
  }
  t.same(found, leftOut, 'no more is left out than is written down');
}

function reasonsIn(source: string, call: string): string[] {
  return [...source.matchAll(new RegExp(`\\b${call}\\((['"\`])(.*?)\\1\\)`, 'g'))].map(
    ([, , reason]) => reason!,
  );
}
