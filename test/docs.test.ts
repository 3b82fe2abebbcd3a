import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { settingKeys } from '../gateway/config.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

t.test('operations.md names every setting', async (t) => {
  const text = read('docs/operations.md');
  for (const key of settingKeys) t.ok(text.includes(`\`${key}\``), key);
});

t.test('every link between the documents leads somewhere', async (t) => {
  const documents = ['README.md', 'CHANGELOG.md', ...markdownIn('docs')];
  for (const document of documents) {
    for (const [, target] of read(document).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const path = join(document, '..', target!);
      t.doesNotThrow(() => readFileSync(join(root, path)), `${document} -> ${target}`);
    }
  }
});

t.test('no document waits for a figure', async (t) => {
  for (const document of ['README.md', ...markdownIn('docs')])
    t.notMatch(read(document), /^[A-Z]{3,}\d*$/m, document);
});

t.test('the lock file installs on every platform, and names no registry', async (t) => {
  const { packages } = JSON.parse(read('package-lock.json'));
  for (const [path, { optionalDependencies = {}, resolved }] of Object.entries<Record<string, never>>(
    packages,
  )) {
    t.equal(resolved, undefined, path);
    for (const name of Object.keys(optionalDependencies)) {
      const found = packages[`node_modules/${name}`] ?? packages[`${path}/node_modules/${name}`];
      t.ok(found, `${name}: run "node scripts/complete-lockfile.mjs"`);
    }
  }
});

function markdownIn(folder: string): string[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.md')).map((file) => join(folder, file));
}
