import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { statements, statementsTable } from './statements.js';

oneProcessFile('the list of statements, without a server');

/** The table of normative statements, the tests and the document agree. */

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const folder = join(root, 'test/conformance/mqtt-3.1.1');
const suffix = '.test.ts';

/** For each test file the statements that names of its tests begin with. */
const named = new Map<string, Set<string>>();
for (const name of readdirSync(folder).filter((file) => file.endsWith(suffix))) {
  const source = readFileSync(join(folder, name), 'utf8');
  const ids = source.matchAll(/\btest\(\s*['"`]\[(MQTT-[\d.]+-\d+)\] /g);
  named.set(name.slice(0, -suffix.length), new Set(Array.from(ids, ([, id]) => id!)));
}

t.test('the table has each of the 141 statements of the standard once', async (t) => {
  t.equal(statements.length, 141);
  t.equal(new Set(statements.map(({ id }) => id)).size, 141);
});

t.test('a statement that is marked as tested has a test of that name in that file', async (t) => {
  for (const { id, proof } of statements)
    if ('file' in proof) t.ok(named.get(proof.file)?.has(id), `${id} in ${proof.file}${suffix}`);
});

t.test('a test that is named by a statement is in the table', async (t) => {
  const marked = new Map(statements.map(({ id, proof }) => [id, 'file' in proof ? proof.file : undefined]));
  for (const [file, ids] of named)
    for (const id of ids) t.equal(marked.get(id), file, `${id} in ${file}${suffix}`);
});

t.test('docs/mqtt-conformance.md has the table as the data say it', async (t) => {
  const document = readFileSync(join(root, 'docs/mqtt-conformance.md'), 'utf8');
  t.ok(document.includes(statementsTable()), 'print it as the head of statements.ts says, and put it there');
});
