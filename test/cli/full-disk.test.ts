import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import t from 'tap';
import { cleanEnvironment, command } from './encke.js';
import './no-settings.js';

/** A disk that is full behind `encke … > file`. */

const full = openSync('/dev/full', 'w');
t.teardown(() => closeSync(full));

t.test('output that cannot be written ends a command with a sentence', async (t) => {
  const child = spawn(command[0], [...command.slice(1), '--help'], {
    env: cleanEnvironment(),
    stdio: ['ignore', full, 'pipe'],
  });
  let said = '';
  child.stderr!.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  t.equal(code, 1);
  t.equal(said, 'encke: standard output cannot be written (ENOSPC).\n');
});

t.test('a sentence that cannot be written leaves the exit code as it is', async (t) => {
  const child = spawn(command[0], [...command.slice(1), 'start', '--port', 'x'], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', full],
  });
  t.equal((await once(child, 'exit'))[0], 2);
});
