import t from 'tap';
import { ask } from '../gateway/raw-wire.js';
import { startGateway } from '../gateway-process.js';
import { configFile, problemOf } from './config-file.js';
import { encke, start } from './encke.js';
import './no-settings.js';
import { isOneSentence, isUsageError } from './usage-error.js';

t.test('the API binds to more than loopback only with a token', async (t) => {
  isUsageError(t, 'by flag', await start(['--api-host', '0.0.0.0']), '0.0.0.0', '--api-token');
  const environment = { ENCKE_API_HOST: '0.0.0.0' };
  isUsageError(t, 'by variable', await start([], { environment }), '0.0.0.0', '--api-token');
  const file = configFile({ apiHost: '0.0.0.0' });
  isUsageError(t, 'by file', await start(['--config', file]), '0.0.0.0', '--api-token');
  for (const apiHost of ['::', '192.0.2.1', '127.0.0.1.example.com', '127.0.0.1@example.com', '10.0.0.1']) {
    t.match(problemOf(configFile({ apiHost })), /--api-token/, apiHost);
  }
  for (const apiHost of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) {
    t.equal(problemOf(configFile({ apiHost })), '', `${apiHost} is loopback`);
  }
  const token = 'a-token-for-everybody';
  const open = await startGateway({ flags: ['--api-host', '0.0.0.0', '--api-token', token] });
  t.equal((await ask(open.apiPort, '/stats')).status, 401);
  const headers = { Authorization: `Bearer ${token}` };
  t.equal((await ask(open.apiPort, '/stats', { headers })).status, 200);
  await open.kill();
});

const secret = 'correct-horse-battery-staple';

t.test('a token is never printed, however wrong it is', async (t) => {
  const files: [what: string, content: unknown, ...parts: string[]][] = [
    ['too short', { apiToken: 'hunter2' }, 'hunter2'],
    ['with spaces', { apiToken: `${secret} ${secret}` }, 'horse'],
    ['in a list', { apiToken: ['hunter2'] }, 'hunter2'],
    ['without quotes', `{"apiToken": ${secret}}`, 'correct', 'horse'],
    ['with a comma too many', `{"apiToken": "${secret}",}`, 'staple'],
    ['with a quote too few', `{"apiToken": "${secret}}`, 'correct', 'staple'],
    ['in the wrong quotes', `{"apiToken": '${secret}'}`, 'correct'],
    ['by itself', secret, 'correct', 'horse', 'staple'],
  ];
  for (const [what, content, ...parts] of files) {
    const problem = problemOf(configFile(content));
    t.not(problem, '', `a token ${what} is refused`);
    for (const part of parts) t.notMatch(problem, part, `a token ${what} is not shown`);
  }
  const byFlag = await start(['--api-token', 'hunter2']);
  isUsageError(t, 'a token too short', byFlag, '--api-token');
  const byVariable = await start([], { environment: { ENCKE_API_TOKEN: 'hunter2' } });
  isUsageError(t, 'a variable too short', byVariable, 'ENCKE_API_TOKEN');
  const help = await encke(['start', '--help'], { environment: { ENCKE_API_TOKEN: secret } });
  for (const { stdout, stderr } of [byFlag, byVariable]) t.notMatch(stdout + stderr, 'hunter2');
  t.notMatch(help.stdout, secret);
});

t.test('a token is never printed while it is in use', async (t) => {
  const gateway = await startGateway({ flags: ['--api-token', secret, '--log-level', 'debug'] });
  t.teardown(() => gateway.kill());
  let said = '';
  gateway.child.stdout!.on('data', (text) => {
    said += text;
  });
  const url = ['--url', gateway.apiUrl];
  const good = await encke(['send', ...url, '--token', secret, '123', 'Hello']);
  t.equal(good.stdout, '{"delivered":0}\n');
  const byVariable = await encke(['send', ...url, '123', 'Hello'], {
    environment: { ENCKE_API_TOKEN: secret },
  });
  t.equal(byVariable.stdout, '{"delivered":0}\n');
  const without = await encke(['send', ...url, '123', 'Hello']);
  t.equal(without.code, 1);
  isOneSentence(t, 'without a token', without, '401');
  const wrong = await encke(['send', ...url, '--token', `${secret}x`, '123', 'Hello']);
  t.equal(wrong.code, 1);
  isOneSentence(t, 'a wrong token', wrong, '401');
  const outcomes = [good, byVariable, without, wrong];
  const args = ['--messages', '2', '--interval', '1', '--json', '--token'];
  outcomes.push(await encke(['msggen', ...url, ...args, secret]));
  t.equal(outcomes.at(-1)!.code, 0);
  outcomes.push(await encke(['msggen', ...url, ...args, `${secret}x`]));
  t.not(outcomes.at(-1)!.code, 0);
  for (const { stdout, stderr } of outcomes) t.notMatch(stdout + stderr, secret);
  for (const path of ['/', '/numbers', '/test']) t.notMatch((await ask(gateway.port, path)).text, secret);
  await gateway.kill('SIGTERM');
  t.notMatch(said + gateway.log, secret);
});
