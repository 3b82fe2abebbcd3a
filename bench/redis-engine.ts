/**
 * The question: what does a message cost the engine on Redis by itself, without HTTP? One process publishes, another one is
 * logged in as all ids: µs of CPU a message of both and of redis-server, and how many go through.
 *
 *     npm run build && node dist/bench/redis-engine.js [ids] [messages in a turn] [inflight max]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serverUsage } from '../floodtest/server-usage.js';
import { HistoryRules } from '../router/history/history-rules.js';
import { Message } from '../router/index.js';
import { RedisServer } from '../test/redis-server.js';
import { redisEngineAt } from '../test/router/engine/redis/engine-parts.js';

const payload = Buffer.alloc(64, 'x');
const seconds = 6;

interface Order {
  url: string;
  role: 'publisher' | 'receiver';
  ids: number;
  history: boolean;
}

if (process.send === undefined) await main();
else process.once('message', (order: Order) => void work(order));

async function main(): Promise<void> {
  const ids = Number(process.argv[2] ?? 10_000);
  const inTurn = Number(process.argv[3] ?? 100);
  const inflightMax = Number(process.argv[4] ?? 1_000);
  for (const history of process.env.PROFILE === undefined ? [true, false] : [true]) {
    const redis = await RedisServer.start();
    const start = async (role: Order['role']) => {
      const child = fork(fileURLToPath(import.meta.url), {
        execArgv: role === process.env.PROFILE ? ['--cpu-prof', '--cpu-prof-dir=/tmp/prof'] : [],
      });
      child.send({ url: redis.url, role, ids, history });
      await once(child, 'message');
      return child;
    };
    const [publisher, receiver] = [await start('publisher'), await start('receiver')];
    const pids = { publisher: publisher.pid!, receiver: receiver.pid!, redis: redis.pid };
    for (const wants of ['carried', 'count', 'carried', 'count'] as const) {
      const before = cpuOf(pids);
      publisher.send({ wants, inTurn, inflightMax });
      const [{ sent, ms, batches }] = (await once(publisher, 'message')) as [
        { sent: number; ms: number; batches: number },
      ];
      const after = cpuOf(pids);
      const each = Object.keys(pids).map(
        (name) => `${name} ${(((after[name]! - before[name]!) * 1e6) / sent).toFixed(1)} µs`,
      );
      console.log(
        `${history ? 'with' : 'without'} history, ${wants}: ${((sent / ms) * 1000).toFixed(0)}/s, ${(sent / batches).toFixed(1)} in a call; ${each.join(', ')}`,
      );
    }
    for (const child of [publisher, receiver]) child.disconnect();
    await Promise.all([once(publisher, 'exit'), once(receiver, 'exit')]);
    await redis.stop();
  }
}

function cpuOf(pids: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, serverUsage([pid])!.cpuSec]));
}

async function work({ url, role, ids, history }: Order): Promise<void> {
  const rules = new HistoryRules(history ? [{ filter: '#', messages: 100, ageSec: 60 }] : []);
  const engine = redisEngineAt([url], { rules, countWaitMs: 5_000 });
  await engine.open();
  await engine.start(() => 1);
  if (role === 'receiver') for (let n = 0; n < ids; n++) engine.addInterest(`user/${n}`);
  await new Promise<void>((resolve) => engine.whenInterested(resolve));
  process.send!('ready');
  process.once('disconnect', () => void engine.stop());
  process.on(
    'message',
    async ({
      wants,
      inTurn,
      inflightMax,
    }: {
      wants: 'carried' | 'count';
      inTurn: number;
      inflightMax: number;
    }) => {
      let inflight = 0;
      let sent = 0;
      let wake = () => {};
      const batchesBefore = engine.stats().batches;
      const startMs = performance.now();
      const drainedTo = async (most: number) => {
        while (inflight > most)
          await new Promise<void>((resolve) => {
            wake = () => inflight <= most && resolve();
          });
      };
      while (performance.now() - startMs < seconds * 1000) {
        for (let i = 0; i < inTurn; i++) {
          inflight++;
          sent++;
          const message = new Message(`user/${Math.floor(Math.random() * ids)}`, payload, 1, 1);
          engine.publish(message, {
            count: wants === 'count',
            onOutcome: () => {
              inflight--;
              wake();
            },
          });
        }
        await drainedTo(inflightMax - inTurn);
      }
      await drainedTo(0);
      const ms = performance.now() - startMs;
      process.send!({ sent, ms, batches: engine.stats().batches - batchesBefore });
    },
  );
}
