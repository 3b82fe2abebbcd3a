import { spawnSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectAsync, type IClientOptions } from 'mqtt';
import t from 'tap';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { until } from '../../until.js';
import { ask, basic, bearer, Wire } from '../raw-wire.js';

/** `encke start --auth file` and `--auth anonymous`, as an operator starts them. */

const clientOptions: IClientOptions = { reconnectPeriod: 0, connectTimeout: 20_000 };

function connectTo({ port }: GatewayProcess, options: IClientOptions) {
  return connectAsync(`ws://127.0.0.1:${port}/mqtt`, { ...clientOptions, ...options }, false);
}

async function poll({ port }: GatewayProcess, id: string, request = {}): Promise<number> {
  return (await ask(port, `/poll/${id}?timeout=0`, request)).status;
}

t.test('users, devices, rules for all, and a change of them while it runs', async (t) => {
  const directory = t.testdir({
    users: `
      deny all secret/#
      allow subscribe common
      user alice {plain}s:cret
        allow all user/%u/#
      user root {sha256}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
        superuser
      client sensor-17
        allow publish user/alice/%c
    `,
  });
  const path = join(directory, 'users');
  const gateway = await startGateway({ flags: ['--auth', 'file', '--auth-file', path] });
  t.teardown(() => gateway.kill());
  const alice = basic('alice', 's:cret');
  t.equal(await poll(gateway, 'user/alice/x', alice), 204);
  t.equal(await poll(gateway, 'common', alice), 204);
  t.equal(await poll(gateway, 'secret/x', alice), 403);
  t.equal(await poll(gateway, 'other', alice), 403);
  t.equal(await poll(gateway, 'secret/x', basic('root', 'secret')), 204);
  t.equal(await poll(gateway, 'user/alice/x', basic('alice', 'wrong')), 401);
  t.equal(
    await poll(gateway, 'user/alice/x', basic('sensor-17', '')),
    401,
    'over HTTP nobody has a client id',
  );

  const stream = await Wire.open(gateway.port);
  stream.ask('/stream/user/alice/sensor-17', alice);
  await until('the stream is open', () => stream.chunks.length > 0);
  const device = await connectTo(gateway, { clientId: 'sensor-17' });
  await device.publishAsync('user/alice/sensor-17', '21 degrees', { qos: 1 });
  await stream.saw('21 degrees');
  await device.endAsync();
  await t.rejects(connectTo(gateway, { clientId: 'sensor-18' }), /Not authorized/);
  await t.rejects(
    connectTo(gateway, { clientId: 'sensor-17', username: 'alice', password: 'x' }),
    /Bad user/,
  );

  writeFileSync(join(directory, 'new'), 'nonsense\n');
  renameSync(join(directory, 'new'), path);
  await until('it is told', () => /line 1: It is none that is known/.test(gateway.log));
  t.equal(await poll(gateway, 'user/alice/x', alice), 204, 'the users before go on');
  writeFileSync(join(directory, 'new'), 'allow subscribe other\nbob:{plain}x\n');
  renameSync(join(directory, 'new'), path);
  await until('it is read', async () => (await poll(gateway, 'other', basic('bob', 'x'))) === 204);
  t.equal(await poll(gateway, 'user/alice/x', alice), 401);
  t.equal(await poll(gateway, 'common', basic('bob', 'x')), 403, 'rules for all are those of the new file');
  t.match(gateway.log, /the users of --auth-file have changed and are in use/);
  t.notMatch(gateway.log, /s:cret/);
  await stream.close();
});

t.test(
  'clients without credentials have rules of their own, and wrong credentials are not none',
  async (t) => {
    const directory = t.testdir({
      users: 'user alice {plain}secret\n allow all user/%u/#\nclient sensor-17\n',
    });
    const gateway = await startGateway({
      flags: [
        ...['--auth', 'file,anonymous', '--auth-file', join(directory, 'users')],
        ...['--acl-rules', 'deny all public/secret', '--acl-rules-anonymous', 'allow subscribe public/#'],
      ],
    });
    t.teardown(() => gateway.kill());
    t.equal(await poll(gateway, 'public/x'), 204);
    t.equal(await poll(gateway, 'public/secret'), 403);
    t.equal(await poll(gateway, 'user/alice/x'), 403);
    t.equal(
      await poll(gateway, 'public/x', basic('alice', 'secret')),
      403,
      'these rules are not those of users',
    );
    for (const wrong of [
      basic('alice', 'wrong'),
      basic('nobody', ''),
      bearer('x'),
      { headers: { Authorization: 'Digest username="x"' } },
      { headers: { Authorization: 'Basic ' } },
      { headers: { Authorization: 'Basic !' } },
      { headers: { Authorization: 'Bearer' } },
      { headers: { Authorization: 'x' } },
    ])
      t.equal(await poll(gateway, 'public/x', wrong), 401, JSON.stringify(wrong));
    t.equal((await ask(gateway.apiPort, '/send/public/x', { method: 'POST', body: 'x' })).status, 403);
    t.equal((await ask(gateway.apiPort, '/stats')).status, 403);

    const guest = await connectTo(gateway, { clientId: 'guest' });
    t.equal((await guest.subscribeAsync('public/news'))[0]!.qos, 0);
    await t.rejects(guest.subscribeAsync('user/alice/#'), /Unspecified error/);
    await t.rejects(guest.subscribeAsync('public/#'), /Unspecified error/, 'it would read public/secret');
    await guest.endAsync();
    const device = await connectTo(gateway, { clientId: 'sensor-17' });
    await t.rejects(
      device.subscribeAsync('public/news'),
      /Unspecified error/,
      'its client id is one of the file',
    );
    await device.endAsync();
    await t.rejects(
      connectTo(gateway, { clientId: 'guest', username: 'alice', password: 'wrong' }),
      /Bad user/,
    );
    await t.rejects(connectTo(gateway, { clientId: 'guest', username: 'alice' }), /Not authorized/);
  },
);

t.test('a file that cannot be used stops the start, with the line', async (t) => {
  const path = join(t.testdir({ users: 'user alice {plain}secret\nuser bob hidden\n' }), 'users');
  const door = join(import.meta.dirname, '../../../cli/encke.js');
  const flags = ['start', '--port', '0', '--api-port', '0', '--auth', 'file', '--auth-file'];
  const started = (file: string) => spawnSync(process.execPath, [door, ...flags, file], { encoding: 'utf8' });
  const bad = started(path);
  t.not(bad.status, 0);
  t.match(bad.stderr, /--auth-file .*users cannot be used: line 2: user "bob": Its password is in no form/);
  t.notMatch(bad.stderr, /hidden/);
  t.match(
    started('/nowhere/users').stderr,
    /--auth-file \/nowhere\/users cannot be used: it cannot be read \(ENOENT\)/,
  );
});
