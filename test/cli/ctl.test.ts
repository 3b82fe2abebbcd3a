import { join } from 'node:path';
import mqtt from 'mqtt';
import t from 'tap';
import { detailsText } from '../../cli/ctl/tables.js';
import { terminalLines } from '../../cli/terminal-text.js';
import { startProcess } from '../gateway-process.js';
import { until } from '../until.js';
import { encke } from './encke.js';
import { isUsageError } from './usage-error.js';

const token = 'a-token-of-operators';

t.test('encke ctl lists, shows and changes what is there', async (t) => {
  const directory = t.testdir({ token });
  const tokenFile = join(directory, 'token');
  const gateway = await startProcess({ flags: ['--admin-port', '0', '--admin-token-file', tokenFile] });
  t.teardown(() => gateway.kill());
  const environment = { ENCKE_ADMIN_URL: gateway.adminUrl, ENCKE_ADMIN_TOKEN_FILE: tokenFile };
  const ctl = async (...args: string[]) => {
    const { code, stdout, stderr } = await encke(['ctl', ...args], { environment });
    t.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const url = `${gateway.url.replace('http', 'ws')}/mqtt`;
  const client = await mqtt.connectAsync(url, { clientId: 'sensor-7', clean: false, reconnectPeriod: 0 });
  t.teardown(() => client.endAsync(true));
  await client.subscribeAsync('a/+', { qos: 1 });
  const stream = await fetch(`${gateway.url}/stream/123`);
  t.teardown(() => stream.body?.cancel().catch(() => {}));
  await gateway.send('123', 'Hello');
  await fetch(`${gateway.apiUrl}/send/a/1?retain=1`, { method: 'POST', body: 'kept' });

  t.match(await ctl('status'), /^NODE .*CONNECTIONS.*\nencke +both .* yes +2 /);
  t.match(await ctl('listeners'), new RegExp(`encke +gateway +${gateway.url} `));
  t.match(await ctl('clients'), /mqtt-ws +127\.0\.0\.1 +sensor-7 +- +a\/\+/);
  const { clients } = JSON.parse(await ctl('--json', 'clients', 'list', '--transport', 'ndjson'));
  t.match(clients, [{ ids: ['123'] }]);
  t.match(await ctl('clients', 'show', 'sensor-7'), /clientId +sensor-7\n[\s\S]*FILTER +QOS\na\/\+ +1\n/);
  t.match(await ctl('subscriptions', 'sensor-7'), /a\/\+ +1\n/);
  t.match(await ctl('slow'), /^CONNECTION /);
  t.match(await ctl('sessions', 'list', '--connected'), /sensor-7 +encke +connected +yes/);
  t.match(await ctl('id', '123'), /subscribers +1\n/);
  t.match(await ctl('history', '123'), /Z +123 +1 +Hello\n/);
  t.match(await ctl('retained'), /Z +a\/1 +1 +kept\n/);
  t.equal(await ctl('retained', 'clear', 'a/#'), '1 cleared\n');
  t.match(await ctl('log-level', 'debug'), 'debug on encke\n');
  t.match(await ctl('clients', 'kick', 'sensor-7'), 'sensor-7');
  await until('it is gone', async () => (await gateway.stats()).connections.closed.kicked === 1);
  t.match(await ctl('sessions', 'end', 'sensor-7'), 'sensor-7');
  t.match(await ctl('kick', '--id', '123'), '1 ended\n');
  t.match(await ctl('drain', '--over', '0s'), /^encke is draining/);
  await until('nobody is connected', async () => (await gateway.stats()).connections.open === 0);
  t.match(await ctl('status'), 'draining');
  t.match(await ctl('undrain'), /^encke takes clients again/);
});

t.test('what goes wrong is a sentence and an exit code', async (t) => {
  const gateway = await startProcess({ flags: ['--admin-port', '0', '--admin-token', token] });
  t.teardown(() => gateway.kill());
  const at = ['ctl', '--admin', gateway.adminUrl];
  const refused = await encke([...at, 'status']);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /^encke ctl: 401: .*--admin-token/);
  const unknown = await encke([...at, '--token', token, 'clients', 'show', 'nobody']);
  t.equal(unknown.code, 1);
  t.match(unknown.stderr, /^encke ctl: 404: There is no such connection/);
  const away = await encke(['ctl', '--admin', 'http://127.0.0.1:9', 'status']);
  t.equal(away.code, 1);
  t.match(away.stderr, 'http://127.0.0.1:9 cannot be reached (ECONNREFUSED)');
  isUsageError(t, 'no command', await encke(['ctl', 'stat']), 'stat');
  isUsageError(t, 'a flag of none', await encke(['ctl', 'clients', 'list', '--colour', 'red']), '--colour');
  isUsageError(
    t,
    'a bad URL',
    await encke(['ctl', '--admin', 'localhost:8002', 'status']),
    'http://127.0.0.1:8002',
  );
  isUsageError(t, 'a bad level', await encke(['ctl', 'log-level', 'loud']), 'loud');
});

t.test('control characters of an id do not reach the terminal', async (t) => {
  const gateway = await startProcess({ flags: ['--admin-port', '0'] });
  t.teardown(() => gateway.kill());
  const stream = await fetch(`${gateway.url}/stream/${encodeURIComponent('a\u001b[2Jb')}`);
  t.teardown(() => stream.body?.cancel().catch(() => {}));
  const { stdout } = await encke(['ctl', '--admin', gateway.adminUrl, 'clients']);
  t.match(stdout, 'a\ufffd[2Jb');
  t.notMatch(stdout, '\u001b');
  const answer = await fetch(`${gateway.adminUrl}/api/v1/clients`);
  const { clients } = (await answer.json()) as { clients: { connection: string }[] };
  const { connection } = clients[0]!;
  const details = await encke(['ctl', '--admin', gateway.adminUrl, 'clients', 'show', String(connection)]);
  t.equal(details.code, 0, details.stderr);
  t.notMatch(details.stdout, '\u001b');
  t.equal(
    detailsText({ clientId: 'a\u001b[2Jb\nsuperuser  true' }),
    'clientId  a\ufffd[2Jb\ufffdsuperuser  true\n',
  );
});

t.test('nor do those of a message that somebody else has sent', async (t) => {
  t.equal(terminalLines('a\u001b[2J\tb\nc\u009b'), 'a\ufffd[2J\tb\nc\ufffd');
});
