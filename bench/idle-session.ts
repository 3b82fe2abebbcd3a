import { keptTerms, Message, Router, type SessionConnection, Sessions } from '../router/index.js';
import { collectGarbage } from '../test/garbage.js';

/**
 * What does an MQTT session cost that idles, and one that has something under way? V8 heap and what typed arrays take
 * outside of it, after collection, for 100,000 sessions with one subscription each; and ns for a message at QoS 1
 * from `publish` to its PUBACK.
 *
 *     npm run build && node dist/bench/idle-session.js
 */

const count = 100_000;

class Connection implements SessionConnection {
  readonly congested = false;
  packetId = 0;
  sendQos0() {
    return 'sent' as const;
  }
  sendInflight({ packetId }: { packetId: number }) {
    this.packetId = packetId;
  }
  sendPubrel() {}
  takenOver() {}
}

console.log(`Node ${process.version}, ${count} sessions`);
for (const qos of [0, 1] as const) await idle(qos);
await underWay('in flight', true);
await underWay('in the mqueue', false);
await qos1Cost();

async function idle(qos: 0 | 1): Promise<void> {
  const { open, router } = await registry();
  const before = await bytes();
  for (let n = 0; n < count; n++) router.subscribe(`device/${n}`, open(n), qos);
  const each = ((await bytes()) - before) / count;
  console.log(`idle, one exact subscription at QoS ${qos}`.padEnd(44), each.toFixed(0).padStart(6), 'B');
  router.stats();
}

async function underWay(where: string, connected: boolean): Promise<void> {
  const { open, router, sessions } = await registry();
  for (let n = 0; n < count; n++) {
    const session = open(n);
    router.subscribe(`device/${n}`, session, 1);
    if (!connected) sessions.detach(session);
  }
  const before = await bytes();
  for (let n = 0; n < count; n++) router.publish(new Message(`device/${n}`, Buffer.alloc(100), 0, 1));
  const each = ((await bytes()) - before) / count;
  const said = `one message of 100 B ${where} (counted as ${(sessions.bytes / count).toFixed(0)})`;
  console.log(said.padEnd(44), each.toFixed(0).padStart(6), 'B');
}

async function qos1Cost(): Promise<void> {
  const { open, router, connections } = await registry();
  const sessions = Array.from({ length: 10_000 }, (_, n) => {
    const session = open(n);
    router.subscribe(`device/${n}`, session, 1);
    return session;
  });
  const payload = Buffer.alloc(64);
  for (const qos of [0, 1] as const) {
    let startedMs = 0;
    const messages = 1_000_000;
    for (let i = -100_000; i < messages; i++) {
      if (i === 0) startedMs = performance.now();
      const n = Math.abs(i * 7_919) % 10_000;
      router.publish(new Message(`device/${n}`, payload, 0, qos));
      if (qos === 1) sessions[n]!.acknowledge(connections[n]!.packetId);
    }
    const ns = ((performance.now() - startedMs) * 1e6) / messages;
    console.log(`publish at QoS ${qos}, deliver, acknowledge`.padEnd(44), ns.toFixed(0).padStart(6), 'ns');
  }
}

async function registry() {
  const router = new Router({ history: { rules: [] } }); // what it keeps is another question
  await router.start();
  const sessions = new Sessions(router);
  const connections = Array.from({ length: count }, () => new Connection());
  const open = (n: number) => {
    const { session } = sessions.open(`device-${n}`, keptTerms, connections[n]!);
    session.resume();
    return session;
  };
  return { router, sessions, open, connections };
}

async function bytes(): Promise<number> {
  // The registry before this one is garbage only when its function has returned, and typed arrays go a turn later.
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collectGarbage();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
