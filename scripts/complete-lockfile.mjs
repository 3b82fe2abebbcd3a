/**
 * Run after `npm install` has changed the lock file. A registry that mirrors only some platforms' packages makes
 * npm leave the other optional ones out, and `npm ci` then refuses the file everywhere else. This writes them in, and asks
 * the registry for the integrity of each entry that has none. Those that it does not have are named: run this where it has.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const systems = ['android', 'darwin', 'freebsd', 'linux', 'openbsd', 'win32', 'aix', 'sunos'];
const processors = ['arm64', 'arm', 'x64', 'ia32', 'riscv64', 'ppc64', 's390x', 'loong64'];

for (const [path, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const shared = `node_modules/${name}`;
    const own = `${path}/node_modules/${name}`;
    const found = lock.packages[own] ?? lock.packages[shared];
    // Versions of optional natives are exact; a range was resolved by npm.
    if (found !== undefined && (found.version === version || !/^\d/.test(version))) continue;
    const parts = name.split(/[/-]/);
    const os = systems.filter((system) => parts.includes(system));
    const cpu = processors.filter((processor) => parts.includes(processor));
    if (os.length !== 1 || cpu.length !== 1) throw new Error(`${name} names no platform: add it by hand`);
    const entry = { version, cpu, ...(parent.dev ? { dev: true } : {}), optional: true, os };
    if (parts.includes('musl')) entry.libc = ['musl'];
    lock.packages[found === undefined ? shared : own] = entry;
    console.log(`added ${name} ${version}`);
  }
}

for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === '' || entry.integrity !== undefined) continue;
  const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const asked = ['view', `${name}@${entry.version}`, 'dist.integrity'];
  const integrity = spawnSync('npm', asked, { encoding: 'utf8' }).stdout.trim();
  if (integrity === '') console.log(`this registry has no ${name} ${entry.version}: without integrity`);
  else entry.integrity = integrity;
  // The package.json of each of these says so itself. npm leaves out those for another Node.
  const node = /^@uwsjs\/.*-(\d+)$/.exec(name)?.[1];
  if (node !== undefined) entry.engines ??= { node: `>=${node}.0.0 <${Number(node) + 1}.0.0` };
}

const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries(
  sorted.map(([path, entry]) => [path, path === '' ? entry : withVersionFirst(entry)]),
);
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);

/** Sorts the members of an entry as npm does. */
function withVersionFirst({ name, version, resolved, integrity, ...rest }) {
  const first = Object.entries({ name, version, resolved, integrity });
  return { ...Object.fromEntries(first.filter(([, value]) => value !== undefined)), ...rest };
}
