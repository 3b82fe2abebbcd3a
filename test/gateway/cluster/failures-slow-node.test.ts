import t from 'tap';
import { until } from '../../until.js';
import { listen, send, startNats, startNode, untilDelivered } from './failure-parts.js';

/** NATS's own patience is 10 s; 2 s make the same happen sooner. */
const impatient = 'write_deadline: "2s"';

t.test(
  'a node that reads nothing is cut off by NATS: it alone suffers, and it says so when it is back',
  async (t) => {
    const { nats, ask } = await startNats(t, impatient);
    const [slow, swift, publisher] = await Promise.all(
      ['slow', 'swift', 'publisher'].map((name) => startNode(t, name, nats.url)),
    );
    const atSlow = listen(t, slow!, ['x', 'load']);
    const atSwift = listen(t, swift!, ['x', 'load']);
    await untilDelivered(publisher!, 'x', 2);
    const load = Buffer.alloc(60_000, 'x');
    const timed = async (rounds: number, going = () => true) => {
      const tookMs: number[] = [];
      for (let i = 0; i < rounds && going(); i++) {
        for (let k = 0; k < 5; k++) await send(publisher!, 'load?wait=0', load);
        const startMs = performance.now();
        const text = `timed ${performance.now()}`;
        await send(publisher!, 'x?wait=0', text);
        await until('the swift node has it', () => atSwift.texts.at(-1) === text);
        tookMs.push(performance.now() - startMs);
      }
      return tookMs.sort((x, y) => x - y);
    };
    const before = await timed(60);

    slow!.child.kill('SIGSTOP');
    const stoppedMs = performance.now();
    const slowConsumers = async () => (await ask('/varz')).slow_consumers as number;
    let cut = false;
    const noticed = until(
      'NATS calls it a slow consumer',
      async () => (await slowConsumers()) === 1,
      30_000,
    ).then(() => {
      cut = true;
    });
    const during = await timed(100_000, () => !cut);
    await noticed;
    t.comment(`cut off after ${Math.round(performance.now() - stoppedMs)} ms`);
    await until('it has stood still long enough to know', () => performance.now() - stoppedMs > 3_000);
    const middle = (sorted: number[]) => sorted[Math.floor(sorted.length / 2)]!;
    t.comment(
      `x took ${middle(before).toFixed(1)} ms before, ${middle(during).toFixed(1)} ms meanwhile (medians)`,
    );
    t.comment(
      `slowest ${before.at(-1)!.toFixed(1)} and ${during.at(-1)!.toFixed(1)} ms; ${during.length} times`,
    );
    t.ok(during.length > 20 && middle(during) < 4 * middle(before) + 10, 'the others are not touched');
    t.ok(during.at(-1)! < 1_000);
    t.ok(atSwift.open);

    slow!.child.kill('SIGCONT');
    await untilDelivered(publisher!, 'x', 2);
    await until('it says so', () => slow!.log.includes('nats: slow'));
    t.match(
      slow!.log,
      /nats: lost[\s\S]*nats: connected[\s\S]*this node stood still for \d+\.\d s.*slow consumer/,
    );
    const counted = await Promise.all(
      [slow!, swift!, publisher!].map(async (node) => (await node.stats()).engine.slowConsumer),
    );
    t.same(counted, [1, 0, 0], 'and counts it');
    for (const node of [swift!, publisher!]) t.notMatch(node.log, /nats: (slow|lost)/);
    t.ok(slow!.alive && atSlow.open);
    const numbers = atSlow.texts
      .filter((text) => text.startsWith('timed'))
      .map((text) => Number(text.slice(6)));
    t.same(
      numbers,
      [...new Set(numbers)].sort((x, y) => x - y),
      'what it did get is in order, and once',
    );
  },
);
