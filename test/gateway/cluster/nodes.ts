import type { GatewayProcess, GatewayProcessOptions } from '../../gateway-process.js';
import { until } from '../../until.js';

/** Asks real nodes for their numbers. */

export interface NodeOptions extends GatewayProcessOptions {
  name: string;
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
