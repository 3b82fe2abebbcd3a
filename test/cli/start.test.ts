import { spawn } from 'node:child_process';
import t from 'tap';
import { openStream } from '../gateway/raw-wire.js';
import { startGateway } from '../gateway-process.js';
import { cleanEnvironment, command, start } from './encke.js';
import './no-settings.js';
import { isOneSentence } from './usage-error.js';

t.test('a taken port stops the start with a sentence that names it, and exit code 1', async (t) => {
  const first = await startGateway();
  t.teardown(() => first.kill());
  for (const [flag, taken] of [
    ['--port', first.port],
    ['--api-port', first.apiPort],
    ['--port', first.apiPort],
  ] as const) {
    const outcome = await start([flag, String(taken)]);
    t.equal(outcome.code, 1);
    t.equal(outcome.stdout, '', 'it does not say that it is up');
    isOneSentence(t, `${flag} ${taken}`, outcome, `:${taken}`, 'taken', flag);
  }
  const elsewhere = await start(['--host', '198.51.100.1', '--mqtt', 'false']); // of nobody: RFC 5737
  t.equal(elsewhere.code, 1);
  isOneSentence(t, 'an address of another machine', elsewhere, '198.51.100.1');
});

t.test('start says where it listens and what to try, and that is true', async (t) => {
  const args = [...command.slice(1), 'start', '--port', '0', '--api-port', '0'];
  const child = spawn(command[0], args, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  for await (const text of child.stdout) {
    said += text;
    if (/curl .*\n/.test(said)) break;
  }
  const page = new URL(/Open +(http\S+\/test\/123)/.exec(said)![1]!);
  const [, text, url] = /curl -d '(.*)' (http\S+)/.exec(said)!;
  const stream = await openStream(Number(page.port), page.pathname);
  const response = await fetch(url!, { method: 'POST', body: text! });
  t.equal(await response.text(), '{"delivered":1}');
  await stream.saw(`Recvd msg #1: '${text}'`);
  await stream.close();
});
