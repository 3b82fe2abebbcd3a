import t from 'tap';
import { startGateway } from '../../gateway-process.js';
import { LdapServer } from '../../ldap-server.js';
import { until } from '../../until.js';
import { ask, basic } from '../raw-wire.js';

/** `encke start --auth ldap`, as an operator starts it beside an OpenLDAP. */

t.test('users of a directory, with rules for all of them, and clients without credentials', async (t) => {
  const server = await LdapServer.start([{ uid: 'alice', password: 's:cret' }]);
  const gateway = await startGateway({
    flags: [
      ...[
        '--auth',
        'ldap,anonymous',
        '--auth-ldap',
        server.url,
        '--auth-ldap-bind-name',
        LdapServer.bindName,
      ],
      ...['--acl-rules', 'allow all user/%u/#', '--acl-rules-anonymous', 'allow subscribe public'],
      ...['--auth-ldap-timeout-ms', '7000', '--auth-timeout-ms', '7000', '--auth-cache-sec', '0'],
    ],
  });
  t.teardown(async () => {
    await gateway.kill();
    await server.stop();
  });
  const poll = async (id: string, request = {}) =>
    (await ask(gateway.port, `/poll/${id}?timeout=0`, request)).status;
  t.equal(await poll('user/alice/x', basic('alice', 's:cret')), 204);
  t.equal(await poll('user/alice/x', basic('ALICE', 's:cret')), 204);
  t.equal(await poll('user/bob/x', basic('alice', 's:cret')), 403);
  t.equal(await poll('user/alice/x', basic('alice', 'wrong')), 401);
  t.equal(await poll('user/alice/x', basic('alice', '')), 401);
  t.equal(await poll('public', basic('alice', '')), 401);
  t.equal(await poll('user/alice,ou=people/x', basic('alice,ou=people', 's:cret')), 401);
  t.equal(await poll('public'), 204);
  await server.kill();
  const away = await ask(gateway.port, '/poll/user/alice/x?timeout=0', basic('alice', 's:cret'));
  t.equal(away.status, 503);
  t.match(away.text, /The directory with the users cannot be reached/);
  t.equal(await poll('public'), 204, 'nobody is asked for those');
  await until('it is told', () => /the directory of --auth-ldap cannot be asked/.test(gateway.log));
  await server.restart();
  await until('it is back', async () => (await poll('user/alice/x', basic('alice', 's:cret'))) === 204);
  const spelled = (n: number) => [...'alice'].map((c, at) => ((n >> at) & 1 ? c.toUpperCase() : c)).join('');
  const statuses = [];
  for (let n = 0; n < 11; n++) statuses.push(await poll('user/alice/x', basic(spelled(n), 'wrong')));
  t.same(statuses, [...Array(10).fill(401), 429], 'failed logins count for the user, however it is spelled');
  t.notMatch(gateway.log, /s:cret/);
});
