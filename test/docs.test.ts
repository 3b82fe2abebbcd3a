import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import t from 'tap';
import { environmentNameOf, flagOf, readConfig } from '../gateway/config.js';
import { Gateway } from '../gateway/gateway.js';
import { type SettingKey, settingKeys, settings } from '../gateway/settings.js';
import { Router } from '../router/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

t.test('operations.md names every setting', async (t) => {
  const text = read('docs/operations.md');
  for (const key of settingKeys) t.ok(text.includes(`\`${key}\``), key);
});

t.test('operations.md has the defaults that there are', async (t) => {
  let found = 0;
  for (const [, keys, shown] of read('docs/operations.md').matchAll(
    /^\| (`\w+`(?:, `\w+`)*) *\| (.*?) *\|/gm,
  )) {
    const named = [...keys!.matchAll(/\w+/g)].map(([key]) => key as SettingKey);
    if (!named.every((key) => settingKeys.includes(key))) continue;
    const presets = new Set(named.map((key) => presetText(settings[key].default)));
    const plain = shown!.replace(/(?<=\d),(?=\d{3})|`/g, '').replace(/^0: .*/, '0');
    t.equal(plain, [...presets].join(', '), keys!);
    found += named.length;
  }
  t.equal(found, settingKeys.length, 'each has a row');
});

function presetText(preset: unknown): string {
  return (Array.isArray(preset) ? preset.join('; ') : String(preset)) || 'none';
}

t.test('operations.md says of every setting whether a reload takes it, as the code does', (t) => {
  const config = readConfig({ environment: {} });
  const log = pino({ level: 'silent' });
  const live = new Gateway(new Router(), config, log).operated.shared.changes.liveKeys;
  const [, taken, waiting] = /### Live(.*?)### After a restart(.*?)\n## /s.exec(read('docs/operations.md'))!;
  const keysIn = (section: string) =>
    [...section.matchAll(/`(\w+)`/g)].map(([, key]) => key as SettingKey).filter((key) => key in settings);
  t.same(keysIn(taken!).sort(), [...live].sort(), 'live');
  t.same(keysIn(waiting!).sort(), settingKeys.filter((key) => !live.has(key)).sort(), 'after a restart');
  t.end();
});

/** The flags of redis-server, npm, openssl, kubectl and the like, and the one of `encke start` that is no setting. */
const otherFlags = new Set(
  '--config --standalone --domain --name --build --omit --from --from-literal --signal --system --now --appendonly --maxmemory --maxmemory-policy --requirepass'.split(
    ' ',
  ),
);

t.test('docs/deploy names only flags and variables that there are', async (t) => {
  const flags = new Set([...otherFlags, ...settingKeys.map(flagOf)]);
  const variables = new Set(settingKeys.map(environmentNameOf));
  const files = readdirSync(join(root, 'docs/deploy'), { recursive: true, withFileTypes: true });
  let found = 0;
  for (const { name, parentPath } of files.filter((file) => file.isFile())) {
    const text = readFileSync(join(parentPath, name), 'utf8');
    for (const [flag] of text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g))
      t.ok(flags.has(flag), `${name}: ${flag}`);
    for (const [variable] of text.matchAll(/ENCKE_[A-Z_]+/g)) {
      t.ok(variables.has(variable), `${name}: ${variable}`);
      found++;
    }
  }
  t.ok(found > 10, 'they were found');
});

t.test('the configurations in docs/deploy are ones that Encke takes', async (t) => {
  const apiToken = 'a-token-of-the-test';
  const ofMachine = readConfig({ file: join(root, 'docs/deploy/encke.json'), environment: {} });
  t.match(ofMachine, { engine: 'redis', workers: 2 });

  const inCompose = [...read('docs/deploy/compose.yaml').matchAll(/^ {4}(ENCKE_\w+): (?:>-\n +)?(.*)$/gm)];
  const environment = Object.fromEntries(inCompose.map(([, name, value]) => [name, plain(value!)]));
  const ofCompose = readConfig({ environment });
  t.match(ofCompose, { engine: 'redis', host: '0.0.0.0' });
  t.equal(ofCompose.redis.length, 1);

  const inManifest = /encke\.json: \|\n((?: {4}.*\n)+)/.exec(read('docs/deploy/kubernetes/encke.yaml'))![1]!;
  const file = join(t.testdir({ 'encke.json': inManifest }), 'encke.json');
  const ofPod = readConfig({ file, flags: { apiToken }, environment: {} });
  t.match(ofPod, { engine: 'redis', host: '0.0.0.0' });

  const graceOf = (path: string, pattern: RegExp) => Number(pattern.exec(read(path))![1]);
  t.ok(graceOf('docs/deploy/encke.service', /TimeoutStopSec=(\d+)/) > ofMachine.drainSec);
  t.ok(
    graceOf('docs/deploy/compose.yaml', /drainSec and[^\n]*\n *stop_grace_period: (\d+)s/) >
      ofCompose.drainSec,
  );
  const grace = graceOf('docs/deploy/kubernetes/encke.yaml', /terminationGracePeriodSeconds: (\d+)/);
  const preStop = graceOf('docs/deploy/kubernetes/encke.yaml', /"sleep", "(\d+)"/);
  t.ok(grace > preStop + ofPod.drainSec, 'no pod is killed while it drains');
});

/** Reads a value as Compose does: without quotes, and with a text in the place of a variable. */
function plain(value: string): string {
  return value.replace(/^"(.*)"$/, '$1').replace(/\$\{[^}]*\}/g, 'a-secret-of-the-test');
}

t.test('the image has every room', async (t) => {
  const { include } = JSON.parse(read('tsconfig.json')) as { include: string[] };
  const dockerfile = read('docs/deploy/Dockerfile');
  for (const room of include.filter((room) => room !== 'test' && room !== 'bench'))
    t.ok(dockerfile.includes(`COPY ${room} ${room}\n`), room);
  t.match(dockerfile, /^COPY scripts scripts$/m);
  t.match(dockerfile, /^RUN node scripts\/build\.mjs /m, 'tsc alone would leave out the Lua');
});

t.test('docs/decisions has a line for each dependency, and for each longer page', async (t) => {
  const text = read('docs/decisions/README.md');
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const names = Object.keys({ ...dependencies, ...devDependencies });
  for (const name of names) if (!name.startsWith('@types/')) t.ok(text.includes(`\`${name}\``), name);
  for (const file of markdownIn('docs/decisions')) {
    const name = basename(file);
    if (name !== 'README.md') t.ok(text.includes(`](${name})`), name);
  }
});

t.test('lines of documents have 120 characters at most, tables excepted', async (t) => {
  for (const document of ['README.md', 'CHANGELOG.md', ...markdownIn('docs')]) {
    const lines = read(document).split('\n');
    const long = lines.flatMap((line, i) => (line.length > 120 && !/^ *\|/.test(line) ? [i + 1] : []));
    t.same(long, [], `${document}: lines that are too long`);
  }
});

t.test('a relative link of a document leads to a file, and to a heading of it', async (t) => {
  for (const document of ['README.md', 'CHANGELOG.md', ...markdownIn('docs')]) {
    const text = read(document).replaceAll(/^```[\s\S]*?^```$/gm, '');
    for (const [, link] of text.matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)) {
      const [file = '', anchor] = link!.split('#');
      const path = file === '' ? document : join(dirname(document), file);
      t.ok(existsSync(join(root, path)), `${document}: ${link}`);
      if (anchor !== undefined && path.endsWith('.md'))
        t.ok(anchorsOf(read(path)).has(anchor), `${document}: ${link}`);
    }
  }
});

/** Makes the anchors of headings, as GitHub does. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)];
  return new Set(
    headings.map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

t.test('charts have a role and a title, for those who do not see them', async (t) => {
  const charts = readdirSync(join(root, 'docs/charts')).filter((name) => name.endsWith('.svg'));
  t.ok(charts.length > 10, 'they were found');
  for (const name of charts)
    t.match(
      read(`docs/charts/${name}`).slice(0, 1000),
      /^<svg [^>]*role="img"[^>]*><title>[^<]+<\/title>/,
      name,
    );
});

t.test('no document waits for a figure', async (t) => {
  for (const document of ['README.md', ...markdownIn('docs')])
    t.notMatch(read(document), /^[A-Z]{3,}\d*$/m, document);
});

interface LockEntry {
  readonly version: string;
  readonly hasInstallScript?: true;
  readonly optionalDependencies?: Record<string, string>;
  readonly resolved?: string;
  readonly integrity?: string;
}

t.test('the lock file installs on every platform, and names no registry', async (t) => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockEntry> };
  for (const [path, { optionalDependencies = {}, resolved }] of Object.entries(packages)) {
    t.equal(resolved, undefined, path);
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const found = packages[`${path}/node_modules/${name}`] ?? packages[`node_modules/${name}`];
      t.ok(found, `${name}: run "node scripts/complete-lockfile.mjs"`);
      if (/^\d/.test(version)) t.equal(found?.version, version, `${path} -> ${name}`);
    }
  }
});

t.test(
  'allowScripts names each package with an install script, so that npm 11 and 12 have nothing to warn of',
  async (t) => {
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockEntry> };
    const { allowScripts } = JSON.parse(read('package.json')) as { allowScripts: Record<string, boolean> };
    const withScripts = Object.entries(packages).filter(
      ([path, entry]) => path !== '' && entry.hasInstallScript,
    );
    t.same(
      withScripts.map(([path]) => path.replace(/^.*node_modules\//, '')),
      Object.keys(allowScripts),
    );
  },
);

t.test('packages installed on Linux on x64 are checked against the lock file', async (t) => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockEntry> };
  // The registry that this file was made with does not have these; see docs/decisions/uwebsockets.md.
  const unchecked = /node_modules\/@uwsjs\/(darwin|win32|linux-arm)/;
  for (const [path, { integrity }] of Object.entries(packages))
    if (path !== '' && !unchecked.test(path)) t.match(integrity, /^sha512-/, path);
});

function markdownIn(folder: string): string[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.md')).map((file) => join(folder, file));
}
