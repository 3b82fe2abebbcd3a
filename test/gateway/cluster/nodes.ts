import { shardOf } from '../../../redis-access/shards.js';
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

/** Whether `/ready` of all of them answers with that status. */
export async function allAnswer(nodes: readonly GatewayProcess[], status: 200 | 503): Promise<boolean> {
  const answers = await Promise.all(nodes.map(({ apiUrl }) => fetch(`${apiUrl}/ready`)));
  return answers.every((answer) => answer.status === status);
}

/** The first of `prefix-0`, `prefix-1`, … that belongs to that one of two servers. */
export function idOnShard(shard: number, prefix: string): string {
  for (let n = 0; ; n++) if (shardOf(`${prefix}-${n}`, 2) === shard) return `${prefix}-${n}`;
}

/** An open stream is known to the others when their sends reach it. */
export async function untilReached(from: GatewayProcess, id: string, count: number): Promise<void> {
  await until(`${count} are logged in as ${id}`, async () => {
    const answer = await fetch(`${from.apiUrl}/ids/${id}`);
    return ((await answer.json()) as { subscribers: number }).subscribers === count;
  });
}
