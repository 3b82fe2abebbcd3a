import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayProcess } from '../test/gateway-process.js';
import { compareSends, Publisher } from './send-load.js';

/**
 * What does a message through the send API cost when the server is nearly idle? 1,000 messages a second, one by one
 * over one keep-alive connection, each to a random id of 10,000 open streams: the server sleeps between two of them, so
 * most of the time is the kernel's, for waking up, receiving and sending. Beside the smallest uWebSockets.js program
 * that does the same, or another build. A server is warmed up first: until V8 has optimized the path, a message costs 10 to
 * 20 µs more. Other arguments are flags for the server. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/send-paced.js [--beside /tmp/base/dist/cli/encke.js] [--history-rules '# 0 0']
 */

const messagesPerSec = 1_000;
const measuredSec = 8;
const warmUpMessagesPerSec = 20_000;
const warmUpSec = 3;

await compareSends(
  5,
  (server) => publish(server, measuredSec, messagesPerSec),
  (server) => publish(server, warmUpSec, warmUpMessagesPerSec),
);

/** Sends what is due by the clock, the next request only when the answer is here. @returns how many were answered */
async function publish(server: GatewayProcess, sec: number, perSec: number): Promise<number> {
  const publisher = await Publisher.connect(server);
  const startedMs = performance.now();
  for (let sent = 0; ; sent++) {
    const dueMs = startedMs + (sent * 1000) / perSec;
    if (dueMs - startedMs >= sec * 1000) {
      publisher.close();
      return sent;
    }
    if (dueMs - performance.now() > 0.5) await sleep(1);
    await publisher.send();
  }
}
