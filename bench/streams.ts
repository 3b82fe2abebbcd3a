import { Crowd, getRequest } from '../test/crowd.js';
import type { GatewayProcess } from '../test/gateway-process.js';
import { until } from '../test/until.js';

/** Streams that count what they are sent, by the # that stands once in each message. */
export async function openStreams(
  server: GatewayProcess,
  count: number,
  pathOf: (n: number) => string,
): Promise<Crowd> {
  const crowd = new Crowd(server.port);
  await crowd.add(count, (n) => getRequest(pathOf(n)));
  crowd.countMarkers('#');
  return crowd;
}

/** None was closed before. Two crowds at once would not fit the 20,000 descriptors of this process. */
export async function closeStreams(server: GatewayProcess, crowd: Crowd): Promise<void> {
  if (crowd.closed > 0) throw new Error(`${crowd.closed} streams were closed`);
  await crowd.clear();
  await until('the server has noticed', () => server.descriptors < 1_000);
}
