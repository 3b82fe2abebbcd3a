import t from 'tap';
import { Claims, type ClaimsParts } from '../../../../router/engine/redis/clients/claims.js';
import { collectGarbage } from '../../../garbage.js';

/** Claims of client ids; the server is played. */

function newClaims(): Claims {
  const shards = [{ open: false, onBack() {} }] as unknown as ClaimsParts['shards'];
  const nodes = { run: '0'.repeat(16), on() {}, isHere: () => true } as unknown as ClaimsParts['nodes'];
  return new Claims({
    ...{ nodes, shards, arrives: () => false, isHere: () => true },
    ...{ onUnclaimed() {}, onUnanswered() {}, onAnothers() {} },
  });
}

t.test('a claim that is over is not kept until its server is back', async (t) => {
  const claims = newClaims();
  let ready = 0;
  const connects: WeakRef<object>[] = [];
  const connectAll = () => {
    for (let n = 0; n < 1_000; n++) {
      const connection = { send: () => ready++ };
      connects.push(new WeakRef(connection));
      claims.begin(`x${n % 500}`, false, { key: '', isSuperuser: true }, () => connection.send());
    }
  };
  connectAll();
  t.equal(claims.size, 500, 'the second of each client id ends the first');
  claims.tick(performance.now() + 60_000, 0);
  t.equal(claims.size, 0);
  t.equal(ready, 1_000, 'all go on');
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  t.equal(connects.filter((each) => each.deref() !== undefined).length, 0, 'nothing holds their connections');
});

t.test('a client id that one user claims is not claimed by another one, but by a superuser', (t) => {
  const claims = newClaims();
  const told: string[] = [];
  const claim = (key: string, isSuperuser = false) =>
    claims.begin('x', false, { key, isSuperuser }, (isAnothers) => told.push(`${key} ${isAnothers}`));
  claim('alice');
  claim('bob');
  t.same(told.splice(0), ['bob true'], 'the first one waits yet');
  claim('alice');
  t.same(told.splice(0), ['alice false'], 'its own next one takes its place');
  claim('root', true);
  t.same(told.splice(0), ['alice false']);
  claims.endAll();
  t.same(told, ['root false']);
  t.end();
});
