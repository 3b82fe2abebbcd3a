import { dirname } from 'node:path';
import t, { type Test } from 'tap';
import { circlesOf, exportedNames, rooms, type SourceFile, sourcesOf } from './source-tree.js';
import { debts } from './style-debts.js';

/**
 * Rules that a reader expects of this tree and no compiler checks. Exceptions are on a list of debts, which only
 * shrinks: a paid debt must leave the list.
 */

const linesMax = 300;

const sources = sourcesOf(rooms);
const files = [...sources.values()];

/** Files that are started, or that a package exports, so that nothing imports them. */
const entries = ['cli/encke.ts', 'router/index.ts'];

t.test('no file imports itself by way of others, types included', async (t) => {
  holds(t, debts.circles, circlesOf(sources).flat());
});

t.test('each exported name exists once', async (t) => {
  const paths = new Map<string, string[]>();
  for (const { path, text } of files) {
    for (const name of new Set(exportedNames(text))) paths.set(name, [...(paths.get(name) ?? []), path]);
  }
  const twice = [...paths].filter(([, where]) => where.length > 1);
  holds(
    t,
    debts.names,
    twice.map(([name]) => name),
    (name) => paths.get(name)!.join(', '),
  );
});

t.test('a file whose importers are all in one other folder of its room is in that folder', async (t) => {
  const misplaced = files.filter(({ path }) => {
    const folders = new Set(importersOf(path).map((importer) => dirname(importer)));
    const [folder] = folders;
    if (folders.size !== 1 || folder === undefined || folder === dirname(path)) return false;
    // A folder uses what is in the folders below it.
    return roomOf(folder) === roomOf(path) && !dirname(path).startsWith(`${folder}/`);
  });
  holds(
    t,
    debts.misplaced,
    pathsOf(misplaced),
    (path) => `only imported from ${dirname(importersOf(path)[0]!)}`,
  );
});

t.test('each file is imported', async (t) => {
  const unused = files.filter(({ path }) => importersOf(path).length === 0);
  holds(t, entries, pathsOf(unused));
});

t.test(`no file has more than ${linesMax} lines`, async (t) => {
  const long = files.filter(({ lines }) => lines.length - 1 > linesMax);
  holds(t, debts.longFiles, pathsOf(long), (path) => `${sources.get(path)!.lines.length - 1} lines`);
});

t.test('no comment begins with "Who" or "What" unless it is a question', async (t) => {
  const begins = /(?:\/\*\*\s*(?:\*\s*)?|\/\/ )((?:Who|What|Whose|Whoever|Whatever)\b[^\n]*)/g;
  const found = new Map<string, string[]>();
  for (const { path, text } of files) {
    const heads = [...text.matchAll(begins)].map((match) => match[1]!).filter((head) => !head.includes('?'));
    if (heads.length > 0) found.set(path, heads);
  }
  holds(t, debts.commentHeads, [...found.keys()], (path) => found.get(path)!.join(' | '));
});

/** @param allowed what is found there is a debt; what is not found any more has to leave the list */
function holds(
  t: Test,
  allowed: readonly string[],
  found: readonly string[],
  describe: (item: string) => string = () => '',
): void {
  const added = found.filter((item) => !allowed.includes(item));
  t.strictSame(
    added.map((item) => `${item}: ${describe(item)}`),
    [],
    'nothing is added',
  );
  t.strictSame(
    allowed.filter((item) => !found.includes(item)),
    [],
    'what is mended has left the list',
  );
}

function importersOf(path: string): string[] {
  return files.filter(({ imports }) => imports.includes(path)).map((importer) => importer.path);
}

function pathsOf(some: readonly SourceFile[]): string[] {
  return some.map(({ path }) => path);
}

function roomOf(path: string): string {
  return path.split('/')[0]!;
}
