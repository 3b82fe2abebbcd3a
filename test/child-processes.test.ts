import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { killAtExit } from './child-processes.js';
import { startGateway } from './gateway-process.js';
import { until } from './until.js';

t.test('dozens of processes are one listener for the exit, and none when they have ended', async (t) => {
  const before = process.listeners('exit');
  const added = () => process.listeners('exit').filter((listener) => !before.includes(listener)).length;
  const children = Array.from({ length: 24 }, () => spawn('sleep', ['60']));
  for (const child of children) killAtExit(child);
  t.equal(added(), 1);
  for (const child of children) child.kill('SIGKILL');
  await until('it is taken off', () => added() === 0);
  t.ok(children.every(({ signalCode }) => signalCode === 'SIGKILL'));
});

t.test('they end with the process that started them', async (t) => {
  const module = fileURLToPath(new URL('child-processes.js', import.meta.url));
  const script = `
    import { spawn } from 'node:child_process';
    import { killAtExit } from '${module}';
    for (let n = 0; n < 2; n++) {
      const child = spawn('sleep', ['60'], { stdio: 'ignore' });
      killAtExit(child);
      console.log(child.pid);
    }
    setImmediate(() => process.exit());`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script]);
  let said = '';
  parent.stdout.on('data', (text) => {
    said += text;
  });
  await once(parent, 'close');
  const pids = said.trim().split('\n').map(Number);
  t.equal(pids.length, 2);
  await until('they have gone', () => !pids.some(isRunning));
});

t.test('a gateway of a test has nothing of the test runner in it', async (t) => {
  process.env.NODE_OPTIONS = '--no-deprecation'; // as tap has its loader there
  t.teardown(() => delete process.env.NODE_OPTIONS);
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const environment = readFileSync(`/proc/${gateway.pid}/environ`, 'utf8').split('\0');
  t.ok(environment.some((variable) => variable.startsWith('PATH=')));
  t.notOk(environment.some((variable) => variable.startsWith('NODE_OPTIONS=')));
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')); // it may wait to be buried
  } catch {
    return false;
  }
}
