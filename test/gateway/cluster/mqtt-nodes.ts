import type { Test } from 'tap';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { NatsServer, type NatsServerOptions } from '../../nats-server.js';
import { until } from '../../until.js';

/** Real nodes on a real nats-server, gone when the test ends. */

export async function startNats(t: Test, options: NatsServerOptions = {}): Promise<NatsServer> {
  const nats = await NatsServer.start(options);
  t.teardown(() => nats.stop());
  return nats;
}

/** One node. It is part of the cluster when this resolves; the others hear of it within a second. */
export async function startNode(
  t: Test,
  nats: { readonly url: string },
  name: string,
  ...flags: string[]
): Promise<GatewayProcess> {
  const node = await startGateway({
    flags: ['--engine', 'nats', '--nats', nats.url, '--node-name', name, '--drain-sec', '0', ...flags],
  });
  t.teardown(() => node.kill());
  return node;
}

/** Nodes `a`, `b` and so on, on a nats-server of their own, all of which know each other. */
export async function startNodes(
  t: Test,
  count: number,
  ...flags: string[]
): Promise<{ nats: NatsServer; nodes: GatewayProcess[] }> {
  const nats = await startNats(t);
  const nodes: GatewayProcess[] = [];
  for (let n = 0; n < count; n++) nodes.push(await startNode(t, nats, nodeName(n), ...flags));
  await knowEachOther(nodes);
  return { nats, nodes };
}

/** A message goes from each to each: who has subscribed to it is known to NATS before the node goes on. */
export async function knowEachOther(nodes: readonly GatewayProcess[]): Promise<void> {
  for (const node of nodes) {
    const started = await fetch(`${node.url}/stream?id=known-${node.pid}`);
    for (const other of nodes) {
      await until('they know each other', async () => (await other.send(`known-${node.pid}`, 'x')) === 1);
    }
    await started.body!.cancel();
    await until('the stream is gone', async () => (await node.send(`known-${node.pid}`, 'x')) === 0);
  }
}

function nodeName(n: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + n);
}
