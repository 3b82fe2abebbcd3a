import t from 'tap';
import { EmbeddedEngine } from '../../../router/engine/embedded.js';
import { type HistoryRule, HistoryRules } from '../../../router/history/history-rules.js';
import { engineContract } from '../../contracts/engine.js';
import { RedisServer } from '../../redis-server.js';
import { connectRedis, redisEngineAt } from './redis/engine-parts.js';

const [redis, second] = await Promise.all([RedisServer.start(), RedisServer.start()]);
t.teardown(() => Promise.all([redis.stop(), second.stop()]));

engineContract('embedded', {
  nodes: 1,
  open: async () => ({ engines: [new EmbeddedEngine()], async close() {} }),
});

let clusters = 0;
/** Each test has a cluster of its own name, so they do not hear each other. */
function redisEngines(urls: readonly string[], rules: readonly HistoryRule[] = []) {
  return async () => {
    const name = `test${++clusters}`;
    const engines = [0, 1].map((node) =>
      redisEngineAt(urls, {
        name,
        node: { name: `node-${node}`, group: '', role: 'both' },
        rules: new HistoryRules(rules),
      }),
    );
    const close = async () => {
      await Promise.all(engines.map((engine) => engine.stop()));
    };
    return { engines, close };
  };
}

const onRedis = { nodes: 2, connect: connectRedis } as const;
engineContract('redis', { ...onRedis, open: redisEngines([redis.url]) });
engineContract('redis, with history', {
  ...onRedis,
  open: redisEngines([redis.url], [{ filter: '#', messages: 100, ageSec: 60 }]),
});
engineContract('redis, two shards', { ...onRedis, open: redisEngines([redis.url, second.url]) });
engineContract('redis, two shards, with history', {
  ...onRedis,
  open: redisEngines([redis.url, second.url], [{ filter: '#', messages: 100, ageSec: 60 }]),
});
