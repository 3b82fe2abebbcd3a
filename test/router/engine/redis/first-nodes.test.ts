import t from 'tap';
import { RedisServer } from '../../../redis-server.js';
import { redisEngineAt } from './engine-parts.js';

/** Nodes that start together on servers that know of none: what the first one says holds for all. */

const servers = await Promise.all([RedisServer.start(), RedisServer.start()]);
t.teardown(() => Promise.all(servers.map((server) => server.stop())));

for (const count of [1, 2]) {
  t.test(`ten nodes at once on ${count} empty server(s) have one epoch`, async (t) => {
    const urls = servers.slice(0, count).map(({ url }) => url);
    for (let round = 0; round < 10; round++) {
      const name = `first_${count}`; // from the second round on its functions are there
      const engines = Array.from({ length: 10 }, () => redisEngineAt(urls, { name }));
      const outcomes = await Promise.allSettled(engines.map((engine) => engine.open()));
      t.same(
        outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.message] : [])),
        [],
      );
      t.equal(new Set(engines.map(({ epoch }) => epoch)).size, 1);
      await Promise.all(engines.map((engine) => engine.stop()));
      for (const server of servers) await server.client().flushall();
    }
  });
}
