import t from 'tap';
import { NatsCluster } from '../../nats-cluster.js';
import { until } from '../../until.js';
import { isSorted, listen, send, startNode, untilDelivered } from './failure-parts.js';

t.test(
  'a NATS cluster of three loses a server: its nodes go on at the others, and those notice nothing',
  async (t) => {
    const cluster = await NatsCluster.start(3);
    t.teardown(() => cluster.stop());
    // Each node is told of one server, and learns of the others.
    const [a, b, c] = await Promise.all(cluster.servers.map(({ url }, i) => startNode(t, `node-${i}`, url)));
    const [atA, atB, atC] = [a!, b!, c!].map((node) => listen(t, node, 'x'));
    for (const node of [a!, b!, c!]) await untilDelivered(node, 'x', 3);

    let next = 0;
    let refused = 0;
    let stop = false;
    const publisher = (async () => {
      while (!stop) if ((await send(b!, 'x', `${next++}`)).status !== 200) refused++;
    })();
    const publishedByA = async () => (await send(a!, 'x', 'from a')).delivered;
    await until('messages are on their way', () => next > 50);
    const killedMs = performance.now();
    await cluster.servers[0]!.kill();
    await until('the node of the dead server is at another', () =>
      /nats: lost[\s\S]*nats: connected/.test(a!.log),
    );
    const connectedMs = performance.now();
    await until('it hears again', () => atA!.heard.at(-1)!.atMs > connectedMs);
    await until('and is heard', async () => (await publishedByA()) === 3);
    const sent = next;
    await until('all goes on', () => next > sent + 50);
    stop = true;
    await publisher;
    await until('the last is everywhere', () =>
      [atA!, atB!, atC!].every(({ texts }) => texts.includes(`${next - 1}`)),
    );

    const numbersAt = (listener: typeof atA) =>
      listener!.texts.filter((text) => /^\d+$/.test(text)).map(Number);
    const all = Array.from({ length: next }, (_, i) => i);
    t.equal(refused, 0);
    t.same(numbersAt(atB), all);
    t.same(numbersAt(atC), all, 'between the servers that live nothing is lost');
    const there = numbersAt(atA);
    t.ok(isSorted(there), 'in order, nothing twice');
    const atMs = atA!.heard.map((message) => message.atMs);
    const gapMs = Math.max(...atMs.map((ms, i) => (i === 0 ? 0 : ms - atMs[i - 1]!)));
    t.comment(
      `the node heard nothing for ${Math.round(gapMs)} ms, and missed ${next - there.length} of ${next}`,
    );
    t.ok(gapMs < 3_000);
    t.match(a!.log, /nats: connected/);
    for (const node of [b!, c!]) t.notMatch(node.log, /nats: lost/);

    await cluster.servers[0]!.restart();
    for (const node of [a!, b!, c!]) await untilDelivered(node, 'x', 3);
    t.ok(performance.now() > killedMs);
  },
);
