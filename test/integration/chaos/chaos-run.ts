import { shardOf } from '../../../redis-access/shards.js';
import { SeededRandom } from '../../seeded-random.js';
import { until } from '../../until.js';
import { Faults } from './faults.js';
import { Publisher, type Send } from './publisher.js';
import { HttpSubscriber, isOpen, MqttSubscriber, type Opening, type Subscriber } from './subscriber.js';
import { type Explained, judge } from './verdict.js';
import { Ways } from './ways.js';
import { shards, World } from './world.js';

export interface ChaosOptions {
  readonly seed: number;
  readonly forMs: number;
  readonly say: (line: string) => void;
}

const size = 3;
const publishersEach = 2;
const pauseMs = 12;
/** After the last fault is undone every way works again within this time. */
export const recoveryMsMax = 30_000;
/** But for what an operator is told of a Redis that is away. */
const crashShape = /Uncaught|unhandled|TypeError|"level":(?:50|60)/;
const ids = Array.from({ length: 8 }, (_, i) => `c/${i}`);

/** One world, from its start to its end. @returns what is wrong with it */
export async function runChaos({ seed, forMs, say }: ChaosOptions): Promise<string[]> {
  const random = new SeededRandom(seed);
  const world = await World.start(size);
  const ways = new Ways(size);
  const faults = new Faults(world, ways, random, (what) => say(`  ${what}`));
  const publishers = world.nodes.flatMap((node) =>
    Array.from(
      { length: publishersEach },
      (_, i) =>
        new Publisher(
          node.index * publishersEach + i,
          node,
          ids,
          new SeededRandom(random.below(2 ** 31)),
          pauseMs,
        ),
    ),
  );
  const subscribers = subscribersOf(world, random);
  const sends = () => publishers.flatMap((publisher) => publisher.sends);
  const openings = () => subscribers.flatMap((subscriber) => subscriber.openings);
  const wrong: string[] = [];
  let slowestMs = 0;
  try {
    const endMs = performance.now() + forMs;
    await recovered(subscribers, publishers);
    while (performance.now() < endMs) {
      await calm(500 + random.below(2_000));
      await faults.round();
      const tookMs = await recovered(subscribers, publishers);
      slowestMs = Math.max(slowestMs, tookMs);
      say(`    all ways work again after ${Math.round(tookMs)} ms`);
    }
    await calm(2_000); // time for what has to arrive
  } catch (error) {
    wrong.push((error as Error).message);
  }
  const brokenMs = performance.now();
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  await readToTheEnd(openings(), sends(), brokenMs);
  for (const { index, alive, ending, log } of world.nodes) {
    if (!alive) wrong.push(`node ${index} has ended (${ending}): ${log.slice(-2_000)}`);
    const crash = log.split('\n').find((line) => crashShape.test(line) && !line.includes('"msg":"Redis at '));
    if (crash !== undefined) wrong.push(`node ${index} says: ${crash}`);
  }
  let silences = 0;
  for (const { index, log } of world.nodes) {
    for (const { fromMs, toMs } of silencesIn(log)) {
      const isNew = ways.note('silence', fromMs, toMs, (from, to) => from === index || to === index);
      if (isNew) silences++;
    }
  }
  if (silences > 0) say(`  ${silences} times a server was silent for its node by itself: a busy machine?`);
  const verdict = judge(sends(), openings(), ways);
  for (const subscriber of subscribers) subscriber.close();
  await world.stop();
  wrong.push(...verdict.faults);
  report(seed, sends(), openings(), verdict.explained, faults, slowestMs, say);
  if (verdict.explained.required === 0) wrong.push('nothing had to arrive: this run proves nothing');
  return wrong;
}

/**
 * A node takes a server that is silent for 1.5 s for lost, and what is sent until it is back is not for it. On a machine
 * with too much to do that happens without any fault of ours. @returns times as of performance.now()
 */
function silencesIn(log: string): { fromMs: number; toMs: number }[] {
  const silences: { fromMs: number; toMs: number; server: string }[] = [];
  for (const line of log.split('\n')) {
    const [, time, server, why, event] =
      /"time":(\d+).*"detail":"([\d.:]+)(?:: ([^"]*))?","msg":"redis: (lost|back)"/.exec(line) ?? [];
    if (time === undefined) continue;
    const atMs = Number(time) - performance.timeOrigin;
    if (event === 'lost' && why === 'it does not answer')
      silences.push({ fromMs: atMs - 3_000, toMs: Number.POSITIVE_INFINITY, server: server! });
    const open = silences.findLast((silence) => silence.server === server);
    if (event === 'back' && open?.toMs === Number.POSITIVE_INFINITY) open.toMs = atMs;
  }
  return silences;
}

function subscribersOf({ nodes }: World, random: SeededRandom): Subscriber[] {
  const subscribers: Subscriber[] = [];
  for (let i = 0; i < 3 * size; i++) {
    const own = [random.pick(ids), random.pick(ids), random.pick(ids)];
    subscribers.push(new HttpSubscriber(`http-${i}`, nodes, i % size, [...new Set(own)]));
  }
  for (const node of nodes)
    subscribers.push(new MqttSubscriber(`mqtt-${node.index}`, node, ['c/#', 'c/+', '+/1', 'c/2']));
  return subscribers;
}

/** Until each connection has got something from each node that was sent from now on. @returns how long it took, ms */
async function recovered(
  subscribers: readonly Subscriber[],
  publishers: readonly Publisher[],
): Promise<number> {
  const startMs = performance.now();
  const sendOf = (text: string) => {
    const [publisher, number] = text.split(':');
    return publishers[Number(publisher)]!.sends[Number(number)]!;
  };
  let missing = '';
  const all = new Set(ids);
  const proven = ({ client, node, heard, ids: own = all }: Opening) => {
    const from = new Set<string>();
    const due = new Set([...own].map((id) => shardOf(id, shards))).size * size;
    for (let i = heard.length - 1; i >= 0 && heard[i]!.atMs >= startMs; i--) {
      const send = sendOf(heard[i]!.text);
      if (send.startMs >= startMs && send.status === 200 && send.unanswered === 0)
        from.add(`${send.node} by server ${shardOf(send.id, shards)}`);
    }
    if (from.size < due) missing = `${client} at node ${node} hears only ${[...from].sort().join(', ')}`;
    return from.size === due;
  };
  const work = () =>
    subscribers.every(({ openings }) => {
      const last = openings.at(-1);
      return last !== undefined && isOpen(last) && proven(last);
    });
  await until('all ways work again', work, recoveryMsMax).catch((error: Error) => {
    throw new Error(`${error.message}: ${missing}`);
  });
  return performance.now() - startMs;
}

/** Nothing is sent any more; what was is read when nothing has come for a while. */
async function readToTheEnd(
  openings: readonly Opening[],
  sends: readonly Send[],
  sinceMs: number,
): Promise<void> {
  const heard = () => openings.reduce((sum, opening) => sum + opening.heard.length, 0);
  let before = -1;
  for (let quiet = 0; quiet < 4; quiet = heard() === before ? quiet + 1 : 0) {
    before = heard();
    await calm(250);
  }
  if (sends.length === 0) throw new Error(`nothing was sent until ${sinceMs}`);
}

function calm(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function report(
  seed: number,
  sends: readonly Send[],
  openings: readonly Opening[],
  explained: Explained,
  faults: Faults,
  slowestMs: number,
  say: (line: string) => void,
): void {
  const by = (status: number) => sends.filter((send) => send.status === status).length;
  const missing = sends.filter(({ status, unanswered }) => status === 200 && unanswered > 0).length;
  const { arrived, required, counts, refused, unanswered, opening, lost } = explained;
  const struck = [...faults.struck].map(([name, times]) => `${times} x ${name}`).join(', ');
  say(`seed ${seed}: ${struck || 'nothing was done'}; slowest recovery ${Math.round(slowestMs)} ms`);
  say(
    `  sends: ${sends.length}, of them ${by(503)} refused, ${by(504)} unknown, ${missing} with a node missing in the count, ${by(0)} not answered`,
  );
  say(
    `  deliveries on ${openings.length} connections: ${arrived} arrived, ${required} of which had to; ${counts} counts right`,
  );
  const losses = Object.entries(lost).map(([why, times]) => `${times} ${why}`);
  say(
    `  not arrived: ${refused} refused, ${unanswered} unknown or not answered, ${opening} while opening or closing; lost: ${losses.join(', ') || 'none'}`,
  );
}
