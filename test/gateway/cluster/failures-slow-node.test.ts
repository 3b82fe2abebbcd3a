import { readFileSync } from 'node:fs';
import t from 'tap';
import { until } from '../../until.js';
import { isSorted, listen, send, startNode, untilDelivered } from './failure-parts.js';
import { redisServer } from './redis-nodes.js';

/** Redis's own patience is 32 MB, or 8 MB for a minute; 1 MB makes the same happen sooner. */
const impatient = 'client-output-buffer-limit pubsub 1mb 0 0';

t.test(
  'a node that reads nothing is cut off by Redis: it alone suffers, and is back when it goes on',
  async (t) => {
    const redis = await redisServer(t, { configuration: impatient });
    const [slow, swift, publisher] = await Promise.all(
      ['slow', 'swift', 'publisher'].map((name) => startNode(t, name, redis.url)),
    );
    const atSlow = listen(t, slow!, ['x', 'load']);
    const atSwift = listen(t, swift!, ['x', 'load']);
    await untilDelivered(publisher!, 'x', 2);
    const load = Buffer.alloc(60_000, 'x');
    let timed = 0;
    const round = async () => {
      for (let k = 0; k < 5; k++) await send(publisher!, 'load?wait=0', load);
      const startMs = performance.now();
      const text = `timed ${timed++}`;
      await send(publisher!, 'x?wait=0', text);
      await until('the swift node has it', () => atSwift.texts.at(-1) === text);
      return performance.now() - startMs;
    };
    const before: number[] = [];
    while (before.length < 40) before.push(await round());

    slow!.child.kill('SIGSTOP');
    const stoppedMs = performance.now();
    const log = `${redis.directory}/log`;
    const isCut = () => /overcoming of output buffer limits/.test(readFileSync(log, 'utf8'));
    const during: number[] = [];
    while (!isCut() && during.length < 1_000) during.push(await round());
    t.ok(isCut(), `Redis ends its connection after ${Math.round(performance.now() - stoppedMs)} ms`);
    const middle = (times: number[]) => times.toSorted((x, y) => x - y)[Math.floor(times.length / 2)]!;
    t.comment(`x took ${middle(before).toFixed(1)} ms before, ${middle(during).toFixed(1)} ms meanwhile`);
    t.ok(middle(during) < 4 * middle(before) + 10, 'the others are not touched');
    // A count that waited for it once does not wait again.
    await send(publisher!, 'x', 'asked');
    const counted = await send(publisher!, 'x', 'counted');
    t.same([counted.status, counted.delivered, counted.unanswered], [200, 1, 0], 'nor is it counted');
    t.ok(atSwift.open);

    slow!.child.kill('SIGCONT');
    await untilDelivered(publisher!, 'x', 2);
    t.match(slow!.log, /redis: lost[\s\S]*redis: back/);
    const { engine } = await slow!.stats();
    t.ok(engine.uncovered > 0, `${engine.uncovered} ids without history may have missed something: counted`);
    for (const node of [swift!, publisher!]) t.notMatch(node.log, /redis: (lost|gap|away)/);
    t.ok(slow!.alive && atSlow.open);
    const numbers = atSlow.texts
      .filter((text) => text.startsWith('timed'))
      .map((text) => Number(text.slice(6)));
    t.ok(isSorted(numbers), `what it did get is in order, and once: ${numbers.length} of ${timed}`);
  },
);
