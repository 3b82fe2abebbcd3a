import t from 'tap';
import { Crowd, getRequest, type Opening } from '../crowd.js';
import { startProcess } from '../gateway-process.js';
import { mqttSubscriber } from '../mqtt-bytes.js';

/**
 * Memory some seconds after a ramp of 5,000 connections a second, by RSS: the server gives back the garbage of opening
 * by itself.
 */

const connections = 10_000;
const perSec = 5_000;
const bytesMax = 1_250;
/** On a quiet machine it takes less than 5; beside other tests what is given back is given back later. */
const settleMs = 20_000;

const kinds: [name: string, opening: (n: number) => string | Opening][] = [
  ['/test/<id>', (n) => getRequest(`/test/${n}`)],
  ['/mqtt with a subscription', (n) => mqttSubscriber(n)],
];

for (const [name, opening] of kinds) {
  t.test(
    `after a ramp to ${connections} on ${name} a connection is ${bytesMax} B of RSS at most`,
    async (t) => {
      // The default of 30 ms is for a machine that has nothing else to do: beside other tests a collection takes longer.
      const flags = [
        ...['--log-level', 'info', '--reclaim-pause-ms-max', '200'],
        // On a busy machine some of 10,000 say CONNECT so late that others would take their places.
        ...['--mqtt-max-pending-connects', '0', '--mqtt-max-pending-connects-per-address', '0'],
      ];
      const gateway = await startProcess({ flags });
      t.teardown(() => gateway.kill());
      const crowd = new Crowd(gateway.port);
      t.teardown(() => crowd.clear());
      const before = gateway.rssBytes;
      const startedMs = performance.now();
      for (let n = 0; n < connections; n += perSec / 10) {
        await crowd.add(perSec / 10, (each) => opening(n + each));
        const aheadMs = (n + perSec / 10) / (perSec / 1000) - (performance.now() - startedMs);
        if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
      }
      const full = gateway.rssBytes;
      const deadlineMs = performance.now() + settleMs;
      let each = Infinity;
      while (each > bytesMax && performance.now() < deadlineMs) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        each = (gateway.rssBytes - before) / connections;
      }
      const sec = (performance.now() - deadlineMs + settleMs) / 1000;
      t.comment(
        `${((full - before) / connections).toFixed(0)} B right after the ramp, ${each.toFixed(0)} B after ${sec.toFixed(1)} s`,
      );
      t.ok(each <= bytesMax, `${each.toFixed(0)} B, at most ${bytesMax}`);
      const [, line] = /^(.*memory given back.*)$/m.exec(gateway.log) ?? [];
      t.comment(line ?? 'not given back yet');
      t.equal((await gateway.stats()).connections.open, connections);
    },
  );
}
