import t from 'tap';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { Wire } from './raw-wire.js';

oneProcessFile('connections of one process');

t.test('a connection is kept for longer than Keep-Alive says, whenever its answer came', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  // uWS counts in steps of 4 s: so over more than one of them.
  const keptMs: number[] = [];
  await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, n * 400));
      const wire = await Wire.open(gateway.apiPort);
      wire.ask('/send/a', { method: 'POST', body: 'x' });
      await wire.untilComplete();
      const answeredMs = performance.now();
      t.equal(wire.header('Keep-Alive'), 'timeout=7');
      await until('it is closed', () => wire.closed, 20_000);
      keptMs.push(performance.now() - answeredMs);
    }),
  );
  t.ok(Math.min(...keptMs) > 7_000, `the shortest: ${Math.round(Math.min(...keptMs))} ms`);
  t.comment(`the longest: ${Math.round(Math.max(...keptMs))} ms`);
});

t.test('a connection that ends with its answer says nothing of the kind', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const wire = await Wire.open(gateway.apiPort);
  wire.socket.write(
    'POST /send/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
  );
  await wire.untilComplete();
  t.equal(wire.header('Keep-Alive'), undefined);
  t.equal(wire.header('Connection'), 'close');
});
