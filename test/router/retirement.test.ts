import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { Message, Sessions } from '../../router/index.js';
import { startedRouter } from './inbox.js';
import { SessionClient } from './session-client.js';

/** A client that goes with very many filters does not hold the loop, and nothing is left of it. */

const filters = 20_000;

t.test('the filters of a session that has ended go in pieces', async (t) => {
  const router = await startedRouter();
  const sessions = new Sessions(router);
  const subscribed = () => {
    const client = new SessionClient(sessions);
    client.connect('many', true);
    for (let n = 0; n < filters; n++)
      router.subscribe(n % 2 === 0 ? `t/${n}` : `t/${n}/+`, client.session!, 1);
    return client;
  };
  const first = subscribed();
  first.drop();
  t.ok(router.logins >= filters - 1_000, `${filters - router.logins} are gone in the turn in which it went`);
  t.equal(router.publish(new Message('t/19998', Buffer.from('x'), 0, 1)), 0, 'and it gets nothing any more');

  const again = subscribed();
  t.equal(router.logins, 2 * filters, 'it may come back meanwhile');
  let most = 0;
  for (let left = router.logins; left > filters; left = router.logins) {
    await nextTurn();
    most = Math.max(most, left - router.logins);
  }
  t.ok(most <= 1_000, `${most} in one turn at most`);
  router.publish(new Message('t/19998', Buffer.from('id'), 0, 1));
  router.publish(new Message('t/19999/x', Buffer.from('filter'), 0, 1));
  t.same(again.take(), ['id#1', 'filter#2'], 'and has all of its own');

  again.drop();
  while (router.logins > 0) await nextTurn();
  const { ids, filters: wildcards, subscribers, loginsBytes } = router.stats();
  t.match(
    { ids, wildcards, subscribers, loginsBytes },
    { ids: 0, wildcards: 0, subscribers: 0, loginsBytes: 0 },
  );
});
