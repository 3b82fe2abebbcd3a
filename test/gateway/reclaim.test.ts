import t from 'tap';
import { Crowd, getRequest } from '../crowd.js';
import { type GatewayProcess, startProcess } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';

oneProcessFile('memory of one process');

/** After a burst memory is given back in steps; where a step would take too long it is left out, and the log says so. */

const lines = ({ log }: GatewayProcess, text: string) =>
  log
    .split('\n')
    .filter((line) => line.includes(text))
    .map((line) => JSON.parse(line));

async function comeAndGo(gateway: GatewayProcess, count: number): Promise<void> {
  const crowd = new Crowd(gateway.port);
  await crowd.add(count, (n) => getRequest(`/test/${n}`));
  await crowd.clear();
}

for (const [burst, flags] of [
  ['opening', ['--reclaim-after-opened', '1000', '--reclaim-after-closed', '0']],
  ['closing', ['--reclaim-after-opened', '0', '--reclaim-after-closed', '1000']],
] as const) {
  t.test(`memory is given back after a burst of ${burst}`, async (t) => {
    const gateway = await startProcess({ flags: [...flags, '--reclaim-pause-ms-max', '10000'] });
    t.teardown(() => gateway.kill());
    await comeAndGo(gateway, 1_000);
    await until('it is logged', () => lines(gateway, 'memory given back').length > 0);
    const [line] = lines(gateway, 'memory given back');
    t.ok(line.longestMs <= line.tookMs && line.tookMs > 0);
    t.same(lines(gateway, 'memory kept'), []);
  });
}

t.test('where it would hold everything up for too long it is left out, and said', async (t) => {
  const gateway = await startProcess({
    flags: ['--reclaim-after-closed', '1000', '--reclaim-pause-ms-max', '5'],
  });
  t.teardown(() => gateway.kill());
  await comeAndGo(gateway, 1_000);
  await until('it is logged', () => lines(gateway, 'memory kept').length > 0);
  const [line] = lines(gateway, 'memory kept');
  t.ok(line.expectedMs > 5, `${line.expectedMs} ms`);
  t.match(line, { limitMs: 5, setting: '--reclaim-pause-ms-max' });
});
