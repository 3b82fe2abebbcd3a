import t from 'tap';
import { defaultHistoryRules, HistoryRules } from '../../../../router/history/history-rules.js';
import { ReplicatedHistory } from '../../../../router/history/replicated-history.js';
import type { Message } from '../../../../router/message.js';
import { sharedHistoryContract } from '../../../contracts/history-store.js';
import { RedisServer } from '../../../redis-server.js';
import { until } from '../../../until.js';
import { redisEngineAt } from './engine-parts.js';

const servers = await Promise.all([RedisServer.start(), RedisServer.start()]);
t.teardown(() => Promise.all(servers.map((server) => server.stop())));
let clusters = 0;

/** One node publishes, and the history of another is read. */
function opener(urls: readonly string[]) {
  return async ({ rules: list = defaultHistoryRules, bytesMax = 2 ** 26 } = {}) => {
    const rules = new HistoryRules(list);
    const name = `history${++clusters}`;
    const [near, far] = [redisEngineAt(urls, { name, rules }), redisEngineAt(urls, { name, rules })];
    t.teardown(() => Promise.all([near, far].map((engine) => engine.stop())));
    const offsets = new Map<string, number[]>();
    for (const engine of [near, far]) await engine.open();
    await near.start(({ id, offset }) => {
      offsets.set(id, [...(offsets.get(id) ?? []), offset]);
      return 1;
    });
    const store = new ReplicatedHistory(rules, far.history, bytesMax);
    await far.start((message) => {
      store.append(message);
      return 0;
    });
    return {
      store,
      async append(message: Message) {
        const before = offsets.get(message.id)?.length;
        if (before === undefined) {
          offsets.set(message.id, []);
          near.addInterest(message.id);
          await new Promise<void>((resolve) => near.whenInterested(resolve));
        }
        near.publish(message);
        await until('it is back', () => offsets.get(message.id)!.length > (before ?? 0));
        return offsets.get(message.id)!.at(-1)!;
      },
      prepare: (...ids: string[]) =>
        new Promise<void>((resolve) => store.prepare(ids, { since: 'oldest' }, resolve)),
    };
  };
}

sharedHistoryContract('redis', opener([servers[0]!.url]), false);
sharedHistoryContract('redis, two shards', opener(servers.map(({ url }) => url)), false);
