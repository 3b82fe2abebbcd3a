/**
 * Run after `npm install` has changed the lock file. A registry that mirrors only some platforms' packages makes
 * npm leave the other optional ones out, and `npm ci` then refuses the file everywhere else. This writes them in:
 * without an integrity, which npm takes from the registry when that platform installs.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const systems = ['android', 'darwin', 'freebsd', 'linux', 'openbsd', 'win32', 'aix', 'sunos'];
const processors = ['arm64', 'arm', 'x64', 'ia32', 'riscv64', 'ppc64', 's390x', 'loong64'];

for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (lock.packages[path] !== undefined) continue;
    const parts = name.split(/[/-]/);
    const os = systems.filter((system) => parts.includes(system));
    const cpu = processors.filter((processor) => parts.includes(processor));
    if (os.length !== 1 || cpu.length !== 1) throw new Error(`${name} names no platform: add it by hand`);
    lock.packages[path] = { version, cpu, ...(parent.dev ? { dev: true } : {}), optional: true, os };
    if (parts.includes('musl')) lock.packages[path].libc = ['musl'];
    console.log(`added ${name} ${version}`);
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries(sorted);
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
