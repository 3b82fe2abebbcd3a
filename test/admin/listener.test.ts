import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { AdminGuard } from '../../admin/guard.js';
import { encke } from '../cli/encke.js';
import { freePort } from '../free-port.js';
import { startProcess } from '../gateway-process.js';
import { until } from '../until.js';
import { headAndBody, rawRequest } from './raw-request.js';

const admin = ['--admin-port', '0'];
const token = 'a-token-of-operators';
const apiToken = 'a-token-of-publishers';

t.test('probes answer HTTP/1.0, and requests without a Host', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  for (const [path, said] of [
    ['/health', 'alive\n'],
    ['/ready', 'ready\n'],
  ] as const) {
    const { head, body } = headAndBody(await rawRequest(gateway.adminUrl, `GET ${path} HTTP/1.0\r\n\r\n`));
    t.match(head, /^HTTP\/1\.[01] 200 OK\r\n/, path);
    t.equal(body, said);
  }
  const { head } = headAndBody(await rawRequest(gateway.adminUrl, 'OPTIONS /health HTTP/1.0\r\n\r\n'));
  t.match(head, /^HTTP\/1\.[01] 204/, 'as HAProxy asks by default');
  const metrics = headAndBody(await rawRequest(gateway.adminUrl, 'GET /metrics HTTP/1.0\r\n\r\n'));
  t.match(metrics.body, /^encke_uptime_seconds \d+$/m);
});

t.test('HEAD, other methods and other paths are answered as HTTP wants it', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  const head = await fetch(`${gateway.adminUrl}/health`, { method: 'HEAD' });
  t.equal(head.status, 200);
  t.equal(await head.text(), '');
  const post = await fetch(`${gateway.adminUrl}/stats`, { method: 'POST' });
  t.equal(post.status, 405);
  t.match(post.headers.get('allow'), 'GET');
  const other = await fetch(`${gateway.adminUrl}/nothing`);
  t.equal(other.status, 404);
  t.match(await other.text(), '/metrics');
  t.equal((await fetch(`${gateway.adminUrl}/api/v1/%ff`)).status, 404);
  const stats = (await (await fetch(`${gateway.adminUrl}/stats`)).json()) as { connections: object };
  t.match(stats.connections, { open: 0, byTransport: { sse: 0 } });
  t.equal((await fetch(`${gateway.adminUrl}/stats?scope=all`)).status, 400);
});

t.test(
  'an operator with too many failed logins, or whose authenticator is away, is told when to come again',
  async (t) => {
    const outcomes = [
      [{ outcome: 'refused', reason: 'too-many-attempts', sentence: 'x', retryAfterSec: 77 }, 429, '77'],
      [{ outcome: 'unavailable', sentence: 'x' }, 503, /^\d+$/],
    ] as const;
    for (const [decision, status, retryAfter] of outcomes) {
      const guard = new AdminGuard({
        access: { admin: { required: true, names: ['played'], authenticate: () => decision } },
        config: { allowedHosts: [], authTimeoutMs: 1_000 },
        counters: { refused: {} },
        log: { warn: () => undefined },
      } as never);
      const answer = await guard.refusalOf({
        headers: { host: 'a' },
        socket: { remoteAddress: '::1' },
      } as never);
      t.match(answer, { status, headers: { 'Retry-After': retryAfter } });
    }
  },
);

t.test('with a token, only probes are open', async (t) => {
  const directory = t.testdir({ token: `${token}\n` });
  const flags = [...admin, '--admin-token-file', join(directory, 'token'), '--api-token', apiToken];
  const gateway = await startProcess({ flags });
  t.teardown(() => gateway.kill());
  const statusOf = async (path: string, given?: string) => {
    const headers = given === undefined ? {} : { authorization: `Bearer ${given}` };
    const response = await fetch(`${gateway.adminUrl}${path}`, { headers });
    return [response.status, await response.text(), response.headers.get('www-authenticate')] as const;
  };
  for (const path of ['/health', '/ready']) t.equal((await statusOf(path))[0], 200, path);
  for (const path of ['/metrics', '/stats', '/nothing']) {
    const [status, text, challenge] = await statusOf(path);
    t.equal(status, 401, path);
    t.match(text, '--admin-token');
    t.equal(challenge, 'Bearer realm="encke"');
  }
  t.equal((await statusOf('/metrics', 'a-token-of-somebody'))[0], 401);
  t.equal((await statusOf('/metrics', apiToken))[0], 401, 'the token of the API is for the API then');
  t.equal((await statusOf('/metrics', token))[0], 200);
});

t.test('without a token of its own, the token of the API counts', async (t) => {
  const gateway = await startProcess({ flags: [...admin, '--api-token', apiToken] });
  t.teardown(() => gateway.kill());
  t.equal((await fetch(`${gateway.adminUrl}/stats`)).status, 401);
  const headers = { authorization: `Bearer ${apiToken}` };
  t.equal((await fetch(`${gateway.adminUrl}/stats`, { headers })).status, 200);
});

t.test('no page of a web site gets in: neither by its origin nor by a name that leads here', async (t) => {
  const gateway = await startProcess({ flags: [...admin, '--allowed-hosts', 'ops.example.com'] });
  t.teardown(() => gateway.kill());
  const ask = async (path: string, headers: string) =>
    headAndBody(
      await rawRequest(gateway.adminUrl, `GET ${path} HTTP/1.1\r\nConnection: close\r\n${headers}\r\n`),
    );
  const { host } = new URL(gateway.adminUrl);
  const foreign = await ask('/stats', `Host: ${host}\r\nOrigin: https://evil.example\r\n`);
  t.match(foreign.head, /^HTTP\/1.1 403/);
  t.match(foreign.body, 'https://evil.example');
  t.match((await ask('/stats', `Host: ${host}\r\nOrigin: http://${host}\r\n`)).head, /^HTTP\/1.1 200/);
  const rebound = await ask('/stats', 'Host: evil.example\r\n');
  t.match(rebound.head, /^HTTP\/1.1 421/);
  t.match(rebound.body, '--allowed-hosts');
  t.match((await ask('/stats', 'Host: ops.example.com\r\n')).head, /^HTTP\/1.1 200/);
  t.match((await ask('/health', 'Host: evil.example\r\n')).head, /^HTTP\/1.1 200/, 'probes tell nothing');
});

t.test(
  'past its limit of sockets it closes new ones, and those that hold them have ten seconds',
  async (t) => {
    const gateway = await startProcess({ flags: [...admin, '--admin-sockets-max', '8'] });
    t.teardown(() => gateway.kill());
    const { hostname, port } = new URL(gateway.adminUrl);
    const holders = Array.from({ length: 8 }, () => connect(Number(port), hostname));
    await Promise.all(holders.map((holder) => once(holder, 'connect')));
    for (const holder of holders) holder.on('error', () => {}).write('GET /health HTTP/1.1\r\n');
    await until('a ninth socket is closed at once', async () => {
      const answer = await rawRequest(gateway.adminUrl, 'GET /health HTTP/1.0\r\n\r\n').catch(() => '');
      return answer === '';
    });
    await until('the holders are cut, and it answers again', async () => {
      const answer = await rawRequest(gateway.adminUrl, 'GET /health HTTP/1.0\r\n\r\n').catch(() => '');
      return answer.includes('alive');
    });
    const { sockets } = (await (await fetch(`${gateway.adminUrl}/stats`)).json()) as {
      sockets: { adminRefused: number };
    };
    t.ok(sockets.adminRefused > 0);
    for (const holder of holders) holder.destroy();
  },
);

t.test('a gateway that did not ask for the port starts without it when it is taken', async (t) => {
  const taker = createServer().listen(8002, '127.0.0.1');
  taker.on('error', () => {}); // taken by somebody else already, as well
  t.teardown(() => taker.close());
  await Promise.race(
    [once(taker, 'listening'), once(taker, 'close'), once(taker, 'error')].map((one) => one.catch(() => {})),
  );
  const gateway = await startProcess({ flags: ['--admin', 'auto'] });
  t.teardown(() => gateway.kill());
  t.equal(gateway.adminUrl, '');
  t.match(gateway.log, '--admin-port');
  t.equal((await fetch(`${gateway.apiUrl}/ready`)).status, 200);
});

t.test('a gateway that asked for a port does not start without it, and says what to do', async (t) => {
  const port = await freePort();
  const taker = createServer().listen(port, '127.0.0.1');
  await once(taker, 'listening');
  t.teardown(() => taker.close());
  const { code, stderr } = await encke([
    'start',
    '--port',
    '0',
    '--api-port',
    '0',
    '--admin-port',
    String(port),
  ]);
  t.equal(code, 1);
  t.match(
    stderr,
    `encke start: The operator's listener cannot listen on 127.0.0.1:${port}: the port is taken.`,
  );
  t.match(stderr, '--admin-port');
});

t.test('settings that do not go together are refused', async (t) => {
  const refused = async (flags: string[], sentence: string | RegExp) => {
    const { code, stderr } = await encke(['start', '--port', '0', '--api-port', '0', ...flags]);
    t.equal(code, 2, flags.join(' '));
    t.match(stderr, sentence);
  };
  await refused(['--admin-host', '0.0.0.0'], '--admin-token');
  await refused(['--admin', 'yes'], '--admin');
  await refused(['--admin-port', '9000', '--port', '9000'], '--admin-port');
});

t.test('/ready says why not, until the very end of a graceful stop', async (t) => {
  const gateway = await startProcess({ flags: [...admin, '--drain-sec', '30'] });
  t.teardown(() => gateway.kill());
  const stream = await fetch(`${gateway.url}/stream/123`);
  t.teardown(() => stream.body?.cancel().catch(() => {}));
  gateway.child.kill('SIGTERM');
  await until('it says that it stops', async () => {
    const response = await fetch(`${gateway.adminUrl}/ready`);
    return response.status === 503 && (await response.text()) === 'stopping\n';
  });
});
