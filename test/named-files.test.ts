import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/** Files and headings that documents and comments name exist. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const { include: rooms } = JSON.parse(read('tsconfig.json')) as { include: string[] };
const files = [...readdirSync(root), ...[...rooms, 'docs', 'scripts'].flatMap(filesIn)];
const documents = files.filter((file) => file.endsWith('.md'));
const sources = files.filter((file) => file.endsWith('.ts'));

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
    join(folder, file),
  );
}

t.test('every link between the documents leads to a file, and to a heading in it', async (t) => {
  let found = 0;
  for (const document of documents) {
    for (const [, target] of read(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [path = '', anchor] = target!.split('#');
      const file = path === '' ? document : join(document, '..', path);
      const leads = existsSync(join(root, file)) && (anchor === undefined || anchorsOf(file).has(anchor));
      t.ok(leads, `${document} -> ${target}`);
      found++;
    }
  }
  t.ok(found > 50, `${found} links`);
});

const name =
  /(?<![\w@/.:%-])((?:[\w.*-]+\/)*[\w*][\w.*-]*\.(?:ts|js|mjs|md|json|yaml|conf|service|py|csv|svg|png))\b(?!\()/g;
/** Names of packages, files in packages, and what a reader is to make. */
const notOurs = new Set([
  'uWebSockets.js',
  'MQTT.js',
  'dist/mqtt.min.js',
  'acl.conf', // of EMQ
  'run.csv',
  'listen.mjs',
  'subscribe.mjs',
  'token.mjs',
  'login-server.mjs',
  'device.mjs',
  'users.csv',
  'other/dist/cli/encke.js',
]);

t.test('every file that documents and comments speak of is there', async (t) => {
  let found = 0;
  for (const path of [...documents, ...sources]) {
    const text = path.endsWith('.md') ? read(path) : commentsOf(read(path));
    for (const [, named] of text.matchAll(name)) {
      if (notOurs.has(named!)) continue;
      t.ok(isThere(named!), `${path}: ${named}`);
      found++;
    }
  }
  t.ok(found > 100, `${found} names`);
});

/** By whatever end of its path it is called; what is compiled is under dist/. */
function isThere(named: string): boolean {
  const source = named.replace(/^(\.\.?\/)*(dist\/)?/, '').replace(/\.js$/, '.ts');
  const ends = [named, source].map((end) => end.replaceAll('.', '\\.').replaceAll('*', '[^/]*'));
  const pattern = new RegExp(`(^|/)(${ends.join('|')})$`);
  return files.some((file) => pattern.test(file));
}

function commentsOf(source: string): string {
  const comments = source.matchAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/[^\n]*/g);
  return [...comments].map(([comment]) => comment).join('\n');
}

/** As GitHub makes them of headings. */
function anchorsOf(document: string): Set<string> {
  const headings = [...read(document).matchAll(/^#+ +(.*)$/gm)].map(([, heading]) => heading!.toLowerCase());
  return new Set(headings.map((heading) => heading.replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')));
}
