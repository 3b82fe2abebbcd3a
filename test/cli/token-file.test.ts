import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { RealClient } from '../gateway/mqtt/real-client.js';
import { ask } from '../gateway/raw-wire.js';
import { type GatewayProcessOptions, startGateway } from '../gateway-process.js';
import { configFile, problemOf } from './config-file.js';
import { encke, start } from './encke.js';
import './no-settings.js';
import { isUsageError } from './usage-error.js';

const dir = t.testdir({});
let files = 0;

function tokenFile(content: string | Uint8Array): string {
  const path = join(dir, `token-${files++}`);
  writeFileSync(path, content);
  return path;
}

const secret = 'correct-horse-battery-staple';

/** Whether the token of the file is the one that the API wants. */
async function opens(options: GatewayProcessOptions): Promise<boolean> {
  const gateway = await startGateway(options);
  const without = await ask(gateway.apiPort, '/stats');
  const headers = { Authorization: `Bearer ${secret}` };
  const { status } = await ask(gateway.apiPort, '/stats', { headers });
  await gateway.kill();
  t.notMatch(gateway.log, secret, 'it is in no log line');
  return without.status === 401 && status === 200;
}

t.test('a token may stand in a file, named by flag, variable or config file', async (t) => {
  for (const end of ['', '\n', '\r\n', '\n\n']) {
    const path = tokenFile(secret + end);
    t.ok(await opens({ flags: ['--api-token-file', path] }), JSON.stringify(end));
  }
  const path = tokenFile(`\ufeff${secret}\r\n`);
  t.ok(await opens({ environment: { ENCKE_API_TOKEN_FILE: path } }), 'by variable, with a byte order mark');
  t.ok(await opens({ flags: ['--config', configFile({ apiTokenFile: path })] }), 'by config file');
  const everywhere = ['--api-host', '0.0.0.0', '--api-token-file', path];
  t.ok(await opens({ flags: everywhere }), 'it lets the API listen everywhere');
});

t.test('so may the token of MQTT', async (t) => {
  const path = tokenFile(`${secret}\n`);
  const gateway = await startGateway({ flags: ['--host', '0.0.0.0', '--mqtt-token-file', path] });
  t.teardown(() => gateway.kill());
  await RealClient.connect(t, gateway, { username: 'a', password: secret });
  await t.rejects(
    RealClient.connect(t, gateway, { username: 'a', password: `${secret}x`, reconnectPeriod: 0 }),
  );
});

t.test('a file that cannot be used stops the start with a sentence that does not show it', async (t) => {
  mkdirSync(join(dir, 'folder'));
  const cases: [what: string, path: string, ...names: string[]][] = [
    ['that is not there', join(dir, 'nowhere'), 'nowhere', 'ENOENT'],
    ['that is a directory', join(dir, 'folder'), 'folder', 'EISDIR'],
    ['that is empty', tokenFile(''), 'is empty'],
    ['with nothing but a line break', tokenFile('\n'), 'is empty'],
    ['with a token too short', tokenFile('hunter2\n'), '16 printable characters'],
    ['with two tokens', tokenFile(`${secret}\n${secret}\n`), 'one token'],
    ['with spaces', tokenFile(`${secret} \n`), 'one token'],
    ['with bytes', tokenFile(Uint8Array.from({ length: 64 }, (_, n) => n + 128)), 'one token'],
  ];
  for (const [what, path, ...names] of cases) {
    for (const key of ['apiTokenFile', 'mqttTokenFile']) {
      const problem = problemOf(configFile({ [key]: path }));
      for (const name of names) t.match(problem, name, `${key} ${what}`);
      t.match(problem, key === 'apiTokenFile' ? '--api-token-file' : '--mqtt-token-file', `${key} ${what}`);
      t.notMatch(problem, /horse|hunter2/, `${key} ${what} is not shown`);
    }
  }
  isUsageError(t, 'missing', await start(['--api-token-file', '/nowhere']), '--api-token-file', 'ENOENT');
});

t.test('a token that is given both ways stops the start', async (t) => {
  const path = tokenFile(secret);
  for (const name of ['api', 'mqtt']) {
    const both = await start([`--${name}-token`, `${secret}-x`, `--${name}-token-file`, path]);
    isUsageError(t, name, both, `--${name}-token and --${name}-token-file`);
    t.notMatch(both.stderr, 'horse');
  }
  const environment = { ENCKE_API_TOKEN: `${secret}-x` };
  const mixed = await start(['--api-token-file', path], { environment });
  isUsageError(t, 'from two places', mixed, '--api-token-file');
});

t.test('send and msggen take the same files, and floodtest that of MQTT', async (t) => {
  const path = tokenFile(`${secret}\n`);
  const flags = ['--api-token-file', path, '--mqtt-token-file', path];
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  const send = ['send', '--url', gateway.apiUrl, '123', 'Hello'];
  const ofApi = ['--token-file', path];
  t.match(await encke([...send, ...ofApi]), { code: 0, stdout: '{"delivered":0}\n' });
  const byVariable = await encke(send, { environment: { ENCKE_API_TOKEN_FILE: path } });
  t.match(byVariable, { code: 0, stdout: '{"delivered":0}\n' });
  const wrongByVariable = { environment: { ENCKE_API_TOKEN: `${secret}-x` } };
  t.match(await encke([...send, ...ofApi], wrongByVariable), { code: 0 }, 'a flag goes before a variable');
  t.match(await encke(send, wrongByVariable), { code: 1, stderr: /401/ });
  const load = ['msggen', '--messages', '1', '--json'];
  t.match(await encke([...load, '--url', gateway.apiUrl, ...ofApi]), { code: 0, stdout: /"sent":1,/ });
  const mqtt = ['--url', gateway.url, '-t', 'mqtt-ws', '--mqtt-token-file', path];
  t.match(await encke([...load, ...mqtt]), { code: 0, stdout: /"sent":1,/ });
  const flood = ['floodtest', '--connections', '1', '--hold', '1ms', '--json', ...mqtt];
  t.match(await encke(flood), { code: 0, stdout: /"connectedAtMost":1,/ });

  const both = await encke([...send, ...ofApi, '--token', secret]);
  t.match(both, { code: 2, stderr: /--token and --token-file say the same thing/ });
  t.notMatch(both.stderr, secret);
  const nowhere = await encke([...send, '--token-file', join(dir, 'nowhere')]);
  t.match(nowhere, { code: 2, stderr: /--token-file .*nowhere/ });
  const overRedis = await encke(['send', '--redis', 'redis://127.0.0.1:1', ...ofApi, '1', 'x']);
  t.match(overRedis, { code: 2, stderr: /--token-file does not go with --redis/ });
  const overMqtt = await encke([...load, '-t', 'mqtt-ws', ...ofApi]);
  t.match(overMqtt, { code: 2, stderr: /--token-file is for --transport http/ });
});
