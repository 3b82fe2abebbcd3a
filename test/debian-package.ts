import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync } from 'node:fs';

/** Programs that tests need beside Node: found on this machine, or installed from Debian's packages by who may. */

export type Found = { path: string } | { missing: string };

/** Another test file may be installing, too. */
const lockTimeoutSec = 120;

/**
 * @param program name of the executable
 * @param debianPackage what it is in
 * @returns its path, or a sentence that says why there is none
 */
export async function findOrInstall(program: string, debianPackage: string): Promise<Found> {
  return findByOrInstall(() => pathOf(program), program, debianPackage);
}

/**
 * The Python of Debian, with a module from Debian's packages.
 * @returns path of the interpreter, or a sentence that says why there is none with that module
 */
export async function findPythonWith(module: string, debianPackage: string): Promise<Found> {
  const python = '/usr/bin/python3'; // any other one has modules of its own
  const find = () => (spawnSync(python, ['-c', `import ${module}`]).status === 0 ? python : undefined);
  return findByOrInstall(find, `the Python module ${module}`, debianPackage);
}

async function findByOrInstall(
  find: () => string | undefined,
  program: string,
  debianPackage: string,
): Promise<Found> {
  const present = find();
  if (present !== undefined) return { path: present };
  if (!existsSync('/etc/debian_version')) {
    return { missing: `${program} is not installed, and this is not Debian: install it and run this again.` };
  }
  const byHand = `Install it with "apt-get install ${debianPackage}" and run this again.`;
  if (process.getuid?.() !== 0) {
    return { missing: `${program} is not installed, and only root may install it. ${byHand}` };
  }
  process.stderr.write(`installing ${debianPackage} from Debian's packages, for ${program}\n`);
  const problem =
    (await aptGet('update')) ?? (await aptGet('install', '--yes', '--no-install-recommends', debianPackage));
  const installed = find();
  if (installed !== undefined) return { path: installed };
  return { missing: `${program} could not be installed (${problem ?? 'it is not in it'}). ${byHand}` };
}

function pathOf(program: string): string | undefined {
  const found = spawnSync('sh', ['-c', 'command -v "$0"', program], { encoding: 'utf8' });
  if (found.status === 0) return found.stdout.trim();
  return ['/usr/bin', '/usr/sbin', '/sbin'].map((dir) => `${dir}/${program}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @returns what went wrong, or undefined */
async function aptGet(...command: string[]): Promise<string | undefined> {
  const child = spawn('apt-get', ['-o', `DPkg::Lock::Timeout=${lockTimeoutSec}`, '-qq', ...command], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  if (code === 0) return undefined;
  return `apt-get ${command[0]}: ${said.trim().split('\n').at(-1)}`;
}
