import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { FloodProcess } from '../../floodtest/flood-process.js';
import { SOURCE_PORT_FIRST } from '../../floodtest/plan.js';
import { until } from '../until.js';
import { FaultyGateway } from './faulty-gateway.js';
import { gatewayAt, share } from './share.js';

t.test('a source port that somebody else has is passed over', async (t) => {
  const gateway = await new FaultyGateway().listen();
  const other = createServer().listen(SOURCE_PORT_FIRST, '127.0.0.2');
  await once(other, 'listening');
  const port = Number(new URL(gateway.url).port);
  const process = new FloodProcess(
    share({
      connections: 2,
      gateways: [gatewayAt(port)],
      ratePerSec: 1000,
      sourceAddresses: ['127.0.0.2'],
    }),
  );
  t.teardown(() => {
    process.close();
    other.close();
    gateway.close();
  });
  process.start();
  await until('both are connected', () => process.report().counts.connected === 2);
  t.match(process.report(), { counts: { failed: 0, tried: 2 }, failures: {} });
});

t.test('a connection that is never answered has failed after a while', async (t) => {
  const gateway = await new FaultyGateway().listen();
  gateway.mute = true;
  const port = Number(new URL(gateway.url).port);
  const process = new FloodProcess(
    share({ connections: 3, gateways: [gatewayAt(port)], ratePerSec: 1000, answerTimeoutMs: 50 }),
  );
  t.teardown(() => gateway.close());
  process.start();
  await until('all have failed', () => process.report().counts.failed === 3);
  t.match(process.report(), {
    counts: { connected: 0, closed: 0, tried: 3 },
    failures: { 'no answer in 0.05 s': 3 },
  });
});
