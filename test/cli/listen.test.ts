import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { killAtExit } from '../child-processes.js';
import { startProcess } from '../gateway-process.js';
import { until } from '../until.js';
import { cleanEnvironment, command, encke } from './encke.js';
import { isUsageError } from './usage-error.js';

/** `encke listen …`, and what it has said so far. */
function listen(t: Test, args: string[]) {
  const child = spawn(command[0], [...command.slice(1), 'listen', ...args], { env: cleanEnvironment() });
  killAtExit(child);
  t.teardown(() => child.kill('SIGKILL'));
  const said = { stdout: '', stderr: '', child };
  child.stdout.on('data', (text) => {
    said.stdout += text;
  });
  child.stderr.on('data', (text) => {
    said.stderr += text;
  });
  return said;
}

t.test('it prints what is sent from now on, and ends with --count', async (t) => {
  const gateway = await startProcess();
  t.teardown(() => gateway.kill());
  await gateway.send('123', 'before');
  const said = listen(t, ['--url', gateway.url, '--count', '2', '123']);
  await until('it listens', async () => (await gateway.stats()).connections.open === 1);
  await gateway.send('123', 'Hello');
  await gateway.send('123', 'World');
  const [code] = await once(said.child, 'close');
  t.equal(code, 0);
  t.equal(said.stdout, 'Hello\nWorld\n');
  t.equal(said.stderr, '');
});

t.test('it begins with history, names the id where there are several, and prints JSON', async (t) => {
  const gateway = await startProcess();
  t.teardown(() => gateway.kill());
  for (const text of ['one', 'two', 'three']) await gateway.send('123', text);
  await gateway.send('news', Buffer.from([0xff]));
  const several = await encke(['listen', '--url', gateway.url, '--since', '2', '-n', '3', '123', 'news']);
  t.same(several.stdout.split('\n').sort(), ['', '123  three', '123  two', 'news  (base64) /w==']);
  const json = await encke([
    'listen',
    '--url',
    gateway.url,
    '--since',
    'oldest',
    '--json',
    '-n',
    '1',
    'news',
  ]);
  t.match(JSON.parse(json.stdout), {
    id: 'news',
    data: '/w==',
    encoding: 'base64',
    time: Number,
    cursor: String,
  });
});

t.test('it goes on after the gateway was away, and misses nothing that history has', async (t) => {
  const gateway = await startProcess({ flags: ['--drain-sec', '0'] });
  t.teardown(() => gateway.kill());
  const said = listen(t, ['--url', gateway.url, '123']);
  await until('it listens', async () => (await gateway.stats()).connections.open === 1);
  await gateway.kill('SIGTERM');
  const port = ['--port', String(gateway.port), '--api-port', String(gateway.apiPort)];
  const next = await startProcess({ flags: port });
  t.teardown(() => next.kill());
  await until('it listens again', async () => (await next.stats()).connections.open === 1);
  t.match(said.stderr, 'encke listen: no connection');
  await next.send('123', 'again');
  await until('it has it', () => said.stdout === 'again\n');
});

t.test('what is refused is a sentence and exit code 1; bad values are usage errors', async (t) => {
  const gateway = await startProcess();
  t.teardown(() => gateway.kill());
  const refused = await encke(['listen', '--url', gateway.url, 'a#']);
  t.equal(refused.code, 1);
  t.match(refused.stderr, 'wildcards');
  isUsageError(t, 'no id', await encke(['listen']), 'ids');
  isUsageError(t, 'a bad since', await encke(['listen', '--since', 'later', '123']), 'oldest');
  isUsageError(t, 'a bad count', await encke(['listen', '-n', '0', '123']), 'number of messages');
});
