import t from 'tap';
import { ExpiringIdentity } from '../../../access/identity.js';
import { Rules } from '../../../access/rules.js';
import { Identities } from '../../../gateway/identities.js';

/** When connections end with their credentials. */

t.test('credentials that end beyond the year 2106 do not end now', (t) => {
  const identities = new Identities(true, 4);
  const nowSec = Math.floor(Date.now() / 1000);
  const ends = [nowSec - 1, nowSec + 3600, nowSec * 1000, 2 ** 32];
  for (const [slot, endSec] of ends.entries())
    identities.set(slot, new ExpiringIdentity('alice', Rules.none, endSec));
  const ended: number[] = [];
  identities.endExpired((slot) => ended.push(slot));
  t.same(ended, [0]);
  t.end();
});
