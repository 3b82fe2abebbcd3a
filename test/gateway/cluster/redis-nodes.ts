import type { Test } from 'tap';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { RedisServer, type RedisServerOptions } from '../../redis-server.js';
import type { NodeOptions } from './nodes.js';

/** Real nodes on real redis-servers. */

export async function redisServer(
  t: Pick<Test, 'teardown'>,
  options: RedisServerOptions = {},
): Promise<RedisServer> {
  const redis = await RedisServer.start(options);
  t.teardown(() => redis.stop());
  return redis;
}

/** Starts them at once. @param urls of all shards */
export async function startRedisNodes(
  t: Pick<Test, 'teardown'>,
  urls: readonly string[],
  nodes: readonly (string | NodeOptions)[],
  flags: readonly string[] = [],
): Promise<GatewayProcess[]> {
  return Promise.all(
    nodes.map(async (node) => {
      const { name, ...options }: NodeOptions = typeof node === 'string' ? { name: node } : node;
      const given = [...flags, ...(options.flags ?? [])];
      const own = ['--engine', 'redis', '--redis', urls.join(), '--node-name', name, '--drain-sec', '0'];
      // A node that gets no CPU for 250 ms, the default, would be counted as unanswered.
      if (!given.includes('--count-wait-ms')) own.push('--count-wait-ms', '10000');
      const gateway = await startGateway({ ...options, flags: [...own, ...given] });
      t.teardown(() => gateway.kill());
      return gateway;
    }),
  );
}
