import type { Test } from 'tap';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { until } from '../../until.js';
import { Listener } from './listener.js';

/** Real nodes that real things happen to. */

type Teardown = Pick<Test, 'teardown'>;

/** Where an id has history, a gap cuts its streams; what history has, tests of its own say. */
export const withoutHistory = ['--history-rules', '# 0 0'];

/** @param redis its URL, or that of the way to it */
export async function startNode(
  t: Teardown,
  name: string,
  redis: string,
  flags: readonly string[] = withoutHistory,
): Promise<GatewayProcess> {
  // Without the numbers under $SYS, as what is refused is counted here.
  const own = ['--engine', 'redis', '--redis', redis, '--node-name', name];
  own.push('--drain-sec', '0', '--mqtt-sys-interval', '0');
  const node = await startGateway({ flags: [...own, ...flags] });
  t.teardown(() => node.kill());
  return node;
}

export function listen(
  t: Teardown,
  nodes: GatewayProcess | readonly GatewayProcess[],
  ids: string | readonly string[],
  options?: { resume?: boolean },
): Listener {
  const urls = [nodes].flat().map(({ url }) => url);
  const listener = new Listener(urls, [ids].flat(), options);
  t.teardown(() => listener.close());
  return listener;
}

export interface Sent {
  status: number;
  delivered: number;
  unanswered: number;
  error: string | undefined;
}

export async function send(node: GatewayProcess, id: string, body: string | Uint8Array): Promise<Sent> {
  const response = await fetch(`${node.apiUrl}/send/${id}`, { method: 'POST', body: body as never });
  const { delivered, unanswered = 0, error } = (await response.json()) as Partial<Sent>;
  return { status: response.status, delivered: delivered ?? 0, unanswered, error };
}

/** Until a send from a node is with so many, and all nodes have said so. @returns how long it took, ms */
export async function untilDelivered(
  from: GatewayProcess,
  id: string,
  count: number,
  timeoutMs = 15_000,
): Promise<number> {
  const startMs = performance.now();
  let last: Sent | undefined;
  await until(
    `a send to ${id} is with ${count}`,
    async () => {
      last = await send(from, id, 'probe');
      return last.status === 200 && last.delivered === count && last.unanswered === 0;
    },
    timeoutMs,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; the last answer was ${JSON.stringify(last)}`);
  });
  return performance.now() - startMs;
}

export function isSorted(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => i === 0 || numbers[i - 1]! < number);
}
