import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import type { Identity } from '../../../access/identity.js';
import { type Rule, Rules } from '../../../access/rules.js';
import { connect, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { until } from '../../until.js';
import { connectRaw, openRaw } from '../mqtt/raw-client.js';
import { accepted, startFor, statsOf, userWith } from './in-process.js';

/** A SUBSCRIBE with as many filters as fit into a packet, of a user with as many rules as one may have. */

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
const filters = Array.from({ length: 10_000 }, (_, n) => {
  const digits = [n % 36, Math.floor(n / 36) % 36, Math.floor(n / 1296)];
  return digits.map((digit) => alphabet[digit]).join('');
});
const rules: Rule[] = Array.from({ length: 998 }, (_, n) => ({
  permission: 'allow',
  action: 'subscribe',
  filter: `never/${n}`,
}));
rules.unshift({ permission: 'deny', action: 'subscribe', filter: '000' });
rules.push({ permission: 'allow', action: 'all', filter: '+' });
const alice = userWith('alice', ...rules);
const requests = filters.map((filter, n) => [filter, n % 2] as [string, number]);

t.test('it is done in slices, between which others have their turns, and answered as a whole', async (t) => {
  const { running } = await startFor(t, () => accepted(alice), { mqttPresence: false, mqttSysInterval: 0 });
  const logins = () => statsOf(running).router.logins;
  const client = await connectRaw(t, running, { clientId: 'many' });
  client.send(subscribe(7, ...requests), publish('zzz', 'behind it', { qos: 1, id: 8 }));
  while (logins() === 0) await nextTurn();
  t.ok(logins() < filters.length / 2, `${logins()} filters in the first turn`);
  const suback = await client.next();
  t.match(suback, { type: 'SUBACK', id: 7 });
  t.same(
    (suback as { returnCodes: number[] }).returnCodes,
    filters.map((filter, n) => (filter === '000' ? 0x80 : n % 2)),
  );
  t.equal(logins(), filters.length - 1);
  t.match(await client.next(), { type: 'PUBACK' }, 'the next packet has waited');
});

t.test(
  'rights that are taken back in the middle of it: what has ended is refused, and not granted',
  async (t) => {
    const { running, authenticator } = await startFor(t, () => accepted(alice), {
      mqttPresence: false,
      mqttSysInterval: 0,
    });
    const logins = () => statsOf(running).router.logins;
    const client = await connectRaw(t, running, { clientId: 'many' });
    client.send(subscribe(7, ...requests));
    while (logins() === 0) await nextTurn();
    const less = rules.toSpliced(1, 0, { permission: 'deny', action: 'subscribe', filter: '100' });
    const now: Identity = { ...alice, rules: Rules.inOrder(less) };
    authenticator.renew = () => now;
    authenticator.changed();
    const suback = (await client.next()) as { returnCodes: number[] };
    t.equal(filters[1], '100');
    t.same(suback.returnCodes.slice(0, 4), [0x80, 0x80, 0, 1]);
    t.equal(logins(), filters.length - 2);
  },
);

t.test('a client that goes in the middle of it leaves nothing behind', async (t) => {
  const { running } = await startFor(t, () => accepted(alice), { mqttPresence: false, mqttSysInterval: 0 });
  const logins = () => statsOf(running).router.logins;
  const client = await connectRaw(t, running, { clientId: 'many', clean: false });
  client.send(subscribe(7, ...requests));
  while (logins() === 0) await nextTurn();
  await client.drop();
  const next = await openRaw(t, running);
  next.send(connect({ clientId: 'many' }));
  t.match(await next.next(), { type: 'CONNACK', returnCode: 0 });
  await until('its filters are gone', () => logins() === 0);
});
