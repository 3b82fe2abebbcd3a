import t from 'tap';
import { pingreq } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { closing, connectRaw } from './raw-client.js';

oneProcessFile('clocks of one connection; nothing crosses');

/** The clock of keep-alives ticks four times a second; whenever in a tick a client was heard last, it has its whole time. */

const keepAliveSec = 1;
const dueMs = 1500 * keepAliveSec;

t.test('a keep-alive never ends early, after CONNECT or after another packet', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const startMs = performance.now();
  const lastings: Promise<number>[] = [];
  for (let n = 0; n < 16; n++) {
    await until('the tick has gone on', () => performance.now() >= startMs + n * 35);
    const client = await connectRaw(t, gateway, { keepAliveSec });
    if (n % 4 !== 0) client.send(pingreq());
    const heardMs = performance.now();
    lastings.push(
      closing(client).then((reason) => {
        t.equal(reason, '1008 keep-alive-timeout');
        return performance.now() - heardMs;
      }),
    );
  }
  const lasted = await Promise.all(lastings);
  t.comment(lasted.map(Math.round).join(' '));
  // A packet takes a moment to get there, CONNACK to come back.
  t.ok(Math.min(...lasted) > dueMs - 10, `${Math.min(...lasted)} ms`);
  t.ok(Math.max(...lasted) < 30_000, `${Math.max(...lasted)} ms`);
});
