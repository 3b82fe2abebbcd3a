import type { Test } from 'tap';
import { type GatewayProcess, type GatewayProcessOptions, startGateway } from '../../gateway-process.js';
import { NatsServer, type NatsServerOptions } from '../../nats-server.js';
import { until } from '../../until.js';

/** Real nodes on a real nats-server. */

type Teardown = Pick<Test, 'teardown'>;

export async function natsServer(t: Teardown, options: NatsServerOptions = {}): Promise<NatsServer> {
  const nats = await NatsServer.start(options);
  t.teardown(() => nats.stop());
  return nats;
}

export interface NodeOptions extends GatewayProcessOptions {
  name: string;
}

/** Starts them at once; resolves when each knows all others. */
export async function startNodes(
  t: Teardown,
  nats: NatsServer,
  nodes: readonly (string | NodeOptions)[],
  flags: readonly string[] = [],
): Promise<GatewayProcess[]> {
  const started = await Promise.all(
    nodes.map(async (node) => {
      const { name, ...options }: NodeOptions = typeof node === 'string' ? { name: node } : node;
      const own = ['--engine', 'nats', '--nats', nats.url, '--node-name', name, '--drain-sec', '0'];
      const gateway = await startGateway({ ...options, flags: [...own, ...flags, ...(options.flags ?? [])] });
      t.teardown(() => gateway.kill());
      return gateway;
    }),
  );
  await until('each node knows the others', async () => {
    const known = await Promise.all(started.map(async (node) => (await nodeStats(node)).engine.peers));
    return known.every((peers) => peers === nodes.length - 1);
  });
  return started;
}

// biome-ignore lint/suspicious/noExplicitAny: what /stats holds is for the tests to say
export async function nodeStats(node: GatewayProcess): Promise<any> {
  return (await fetch(`${node.apiUrl}/stats?scope=node`)).json();
}

/** An open stream is known to the others when their sends reach it. */
export async function untilReached(from: GatewayProcess, id: string, count: number): Promise<void> {
  await until(`${count} are logged in as ${id}`, async () => {
    const answer = await fetch(`${from.apiUrl}/ids/${id}`);
    return ((await answer.json()) as { subscribers: number }).subscribers === count;
  });
}
