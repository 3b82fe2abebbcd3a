import t, { type Test } from 'tap';
import type { Engine, Outcome } from '../../router/engine/engine.js';
import { Message, MessageProperties, matches, type Qos } from '../../router/index.js';
import { Retained } from '../../router/retained.js';
import { until } from '../until.js';

/** The contract of every engine; see router/engine/engine.ts. */

export interface EnginesUnderTest {
  /**
   * How many nodes of one cluster there are to try it with. One alone serves its subscribers before `publish` returns.
   * Where there are two, what carries messages gives each its place, and with it its time; and a node may be sent what
   * none of its filters matches, as it looks itself.
   */
  readonly nodes: 1 | 2;
  /** A new cluster of that many engines, none of them started. */
  open(): Promise<{ engines: Engine[]; close(): Promise<void> }>;
  /** Set up before the start of an engine. */
  connect?(engine: Engine): Promise<void>;
}

/** An engine, and instead of a router a list of what it hands out. */
class Node {
  readonly engine: Engine;
  /** As `id=text`. */
  readonly handedOut: string[] = [];
  readonly messages: Message[] = [];
  /** Kept, and not handed out. */
  readonly retained: string[] = [];
  readonly #connect: (engine: Engine) => Promise<void>;
  readonly #filters: string[] = [];

  constructor(engine: Engine, connect: (engine: Engine) => Promise<void>) {
    this.engine = engine;
    this.#connect = connect;
  }

  async start(): Promise<void> {
    await this.#connect(this.engine);
    await this.engine.start(
      (message) => {
        this.handedOut.push(textOf(message));
        this.messages.push(message);
        return this.#filters.filter((filter) => matches(filter, message.id)).length;
      },
      {
        keep: (message) => {
          this.retained.push(textOf(message));
        },
        forget() {},
        walk: (filter) => new Retained({}).walk(filter),
      },
    );
  }

  /** One more subscriber. */
  add(...filters: string[]): void {
    for (const filter of filters) {
      this.#filters.push(filter);
      this.engine.addInterest(filter);
    }
  }

  /** Without what no filter here matches. */
  get matched(): string[] {
    const wanted = (id: string) => this.#filters.some((filter) => matches(filter, id));
    return this.handedOut.filter((text) => wanted(text.slice(0, text.indexOf('='))));
  }

  remove(filter: string): void {
    this.#filters.splice(this.#filters.indexOf(filter), 1);
    this.engine.removeInterest(filter);
  }

  publish(id: string, text: string, qos: Qos = 0, retain = false): number {
    return this.engine.publish(messageOf(id, text, qos, retain));
  }

  acknowledge(id: string, text: string, qos: Qos): Promise<Outcome> {
    return new Promise((onOutcome) => this.engine.publish(messageOf(id, text, qos), { onOutcome }));
  }

  count(id: string, text: string): Promise<Outcome> {
    return new Promise((onOutcome) => this.engine.publish(messageOf(id, text), { onOutcome, count: true }));
  }
}

function textOf({ id, payload }: Message): string {
  return `${id}=${Buffer.from(payload)}`;
}

function messageOf(id: string, text: string, qos: Qos = 0, retain = false): Message {
  return new Message(id, Buffer.from(text), 1_700_000_000_123, qos, retain);
}

export function engineContract(
  name: string,
  { nodes, open, connect = async () => {} }: EnginesUnderTest,
): void {
  const clusterOf = async (t: Test, started = true) => {
    const { engines, close } = await open();
    t.teardown(close);
    const all = engines.map((engine) => new Node(engine, connect));
    if (started) for (const node of all) await node.start();
    if (started) await untilMet(all);
    return all;
  };

  if (nodes === 1) {
    t.test(`${name}: what is published comes back to its own node at once, as it is`, async (t) => {
      const [node] = await clusterOf(t);
      node!.add('a', 'a');
      const message = messageOf('a', 'one', 1, true);
      t.equal(node!.engine.publish(message), 2, 'with how many took it');
      t.equal(node!.messages[0], message, 'not a copy');
      t.equal(node!.publish('nobody', 'two'), 0);
      t.same(node!.handedOut, ['a=one', 'nobody=two'], 'whoever is interested: the router knows');
    });
  }

  t.test(`${name}: who publishes is told that it is carried, and all have it once`, async (t) => {
    const [node, other] = await clusterOf(t);
    for (const each of [node!, ...(other ? [other] : [])]) each.add('a');
    await settled(node!, other);
    for (const qos of [0, 1, 2] as const)
      t.equal((await node!.acknowledge('a', `q${qos}`, qos)).carried, 'yes');
    await settled(node!, other);
    for (const { handedOut } of [node!, ...(other ? [other] : [])])
      await until('the last has come', () => handedOut.includes('a=q2'));
    for (const each of [node!, ...(other ? [other] : [])])
      t.same(
        each.handedOut.filter((text) => text.startsWith('a=q')),
        ['a=q0', 'a=q1', 'a=q2'],
      );
  });

  t.test(`${name}: own subscribers are served once, whatever interests overlap`, async (t) => {
    const [node, other] = await clusterOf(t);
    node!.add('a/b', 'a/+', 'a/#', '#');
    await settled(node!, other);
    for (let i = 0; i < 100; i++) node!.publish('a/b', `${i}`);
    await node!.count('a/b', 'last');
    await settled(node!, other);
    t.same(
      node!.handedOut,
      [...numbers(100), 'last'].map((text) => `a/b=${text}`),
    );
  });

  t.test(`${name}: a count comes back once, with all on this node`, async (t) => {
    const [node, other] = await clusterOf(t);
    node!.add('a', 'a', 'a');
    await settled(node!, other);
    t.same(await node!.count('a', 'x'), { delivered: 3, unanswered: 0, carried: 'yes' });
    t.same(await node!.count('b', 'x'), { delivered: 0, unanswered: 0, carried: 'yes' });
    t.same(node!.handedOut, nodes === 1 ? ['a=x', 'b=x'] : ['a=x']);
  });

  t.test(`${name}: it carries from its start to its stop`, async (t) => {
    const [node] = await clusterOf(t);
    t.equal(node!.engine.trouble, undefined);
    await node!.engine.stop();
    t.equal(node!.publish('a', 'after the stop'), 0);
    t.same(node!.handedOut, [], 'nothing is handed out any more');
  });

  t.test(
    `${name}: nothing throws, neither before the start nor after the stop, and every count ends`,
    async (t) => {
      const [node] = await clusterOf(t, false);
      const all = async () => {
        node!.add('a', 'a/#');
        node!.remove('a');
        node!.engine.removeInterest('never/added');
        t.equal(node!.publish('a/b', 'x'), 0);
        t.equal((await node!.count('a/b', 'x')).delivered, 0);
        const { cluster } = node!.engine;
        await new Promise((resolve) => cluster?.ask('word', Buffer.from('x'), 50, resolve) ?? resolve(0));
      };
      await all();
      await node!.start();
      await node!.engine.stop();
      await all();
      await node!.engine.stop();
      t.same(node!.handedOut, []);
    },
  );

  t.test(`${name}: interest from before the start counts, and what was taken back does not`, async (t) => {
    const all = await clusterOf(t, false);
    const [node, other = node!] = all;
    other.add('kept', 'taken-back');
    other.remove('taken-back');
    for (const each of all) await each.start();
    await untilMet(all);
    node!.publish('taken-back', 'x');
    t.equal((await node!.count('kept', 'x')).delivered, 1);
    if (nodes === 2) t.same(other.handedOut, ['kept=x']);
  });

  if (nodes === 2) twoNodes(name, clusterOf);
}

function twoNodes(name: string, clusterOf: (t: Test) => Promise<Node[]>): void {
  const pairOf = async (t: Test) => (await clusterOf(t)) as [Node, Node];

  t.test(`${name}: a message is on the other node what it was on the first`, async (t) => {
    const [here, there] = await pairOf(t);
    there.add('#');
    await settled(there, here);
    const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const payloads = [new Uint8Array(0), allBytes, Buffer.alloc(200_000, 7)];
    const sent: Message[] = [];
    for (const payload of payloads)
      for (const qos of [0, 1, 2] as const)
        for (const retain of [false, true])
          sent.push(new Message('a/ /ü\u{1F30D}.*>%/', payload, Date.now() + qos, qos, retain));
    const properties = new MessageProperties({ contentType: 'text/plain', userProperties: [['a', 'b']] });
    for (const retain of [false, true])
      sent.push(
        new Message(sent[0]!.id, Buffer.from('x'), Date.now(), 1, retain, 0, 'publisher', properties),
      );
    for (const message of sent) here.engine.publish(message);
    await until('all have arrived', () => there.messages.length === sent.length);
    for (const [i, { id, payload, timeMs, qos, retain }] of there.messages.entries()) {
      const wanted = pick(sent[i]!);
      t.ok(Math.abs(timeMs - Date.now()) < 60_000, 'the time of its place');
      t.same({ id, timeMs: wanted.timeMs, qos, retain }, wanted);
      const { publisher, properties: given } = there.messages[i]!;
      t.same([publisher, given], [sent[i]!.publisher, sent[i]!.properties]);
      t.ok(Buffer.compare(payload, sent[i]!.payload) === 0, `${payload.length} bytes`);
      t.equal(payload.buffer.byteLength < 300_000, true, 'of its own, not a view of what was read');
    }
  });

  t.test(`${name}: only a node with interest is sent a message`, async (t) => {
    const [here, there] = await pairOf(t);
    there.add('a', 'b/+/c', 'd/#', 'end');
    await settled(there, here);
    const none = ['A', 'a/a', 'b/c', 'b/x/y/c', 'b/x/d', 'dd', '$SYS/a'];
    const some = ['a', 'b/x/c', 'b//c', 'd', 'd/e', 'd/e/f', 'd/'];
    for (const id of [...none, ...some, ...none]) here.publish(id, 'x');
    here.publish('end', 'x');
    const wanted = [...some, 'end'].map((id) => `${id}=x`);
    const came = () => there.matched;
    await until('the last has arrived', () => came().includes('end=x') && came().length >= wanted.length);
    t.same(came().sort(), wanted.sort()); // over several servers the order is that of each id
  });

  t.test(`${name}: retained messages reach a node without interest, in order with the others`, async (t) => {
    const [here, there] = await pairOf(t);
    there.add('a');
    await settled(there, here);
    here.add('a');
    await settled(here, there);
    for (let i = 0; i < 200; i++) here.publish(i % 3 === 0 ? 'unknown' : 'a', `${i}`, 0, i % 3 !== 1);
    here.publish('a', 'end');
    const unknown = numbers(200).filter((i) => Number(i) % 3 === 0);
    for (const node of [here, there]) {
      await until('the last has arrived', () => node.handedOut.includes('a=end'));
      const known = node.handedOut.filter((text) => text.startsWith('a='));
      const others = [...node.handedOut, ...node.retained].filter((text) => text.startsWith('unknown='));
      t.same(
        known,
        [...numbers(200).filter((i) => Number(i) % 3 !== 0), 'end'].map((text) => `a=${text}`),
      );
      t.same(
        others,
        unknown.map((text) => `unknown=${text}`),
        'once, kept or handed out',
      );
    }
  });

  t.test(`${name}: overlapping ids and filters are sent it once`, async (t) => {
    const [here, there] = await pairOf(t);
    there.add('a/b', 'a/+', '+/b', 'a/#', '#', '+/+');
    await settled(there, here);
    for (let i = 0; i < 500; i++) here.publish('a/b', `${i}`);
    t.equal((await here.count('a/b', 'last')).delivered, 6);
    t.same(
      there.handedOut,
      [...numbers(500), 'last'].map((text) => `a/b=${text}`),
    );
  });

  const byId = (texts: readonly string[]) =>
    ['id/0=', 'id/1=', 'id/2='].map((id) => texts.filter((text) => text.startsWith(id)));

  /** Both publish at once, to nodes whose interests overlap; until the last of each has come to both. */
  const publishAtOnce = async (t: Test) => {
    const [here, there] = await pairOf(t);
    for (const node of [here, there]) node.add('#', 'id/1', 'id/+');
    await settled(there, here);
    await settled(here, there);
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 20; i++) here.publish(`id/${i % 3}`, `here ${round * 20 + i}`);
      for (let i = 0; i < 20; i++) there.publish(`id/${i % 3}`, `there ${round * 20 + i}`);
      if (round % 10 === 0) await new Promise(setImmediate);
    }
    // The last of each id is waited for: ids may be on several servers, and one server may be slower.
    const ids = ['id/0', 'id/1', 'id/2'];
    const ends = ids.flatMap((id) => [`${id}=here end`, `${id}=there end`]);
    const done = ({ handedOut }: Node) => ends.every((end) => handedOut.includes(end));
    await until('the last of each id is everywhere', async () => {
      await Promise.all(ids.flatMap((id) => [here.count(id, 'here end'), there.count(id, 'there end')]));
      return done(here) && done(there);
    });
    const wanted = (by: string) => numbers(2_000).map((i) => `id/${(Number(i) % 20) % 3}=${by} ${i}`);
    const got = ({ handedOut }: Node, by: string) =>
      handedOut.filter((text) => text.includes(`=${by} `) && !text.endsWith(' end'));
    return { here, there, wanted, got };
  };

  t.test(`${name}: the order of each publisher holds for each id, and nothing comes twice`, async (t) => {
    const { here, there, wanted, got } = await publishAtOnce(t);
    for (const node of [here, there]) {
      for (const by of ['here', 'there']) {
        const texts = got(node, by);
        const came = new Set(texts);
        t.equal(texts.length, came.size);
        t.ok(came.size > 0, `${came.size} of 2,000`);
        const due = wanted(by).filter((text) => came.has(text));
        t.same(byId(texts), byId(due));
      }
    }
  });

  t.test(`${name}: of two nodes that publish at once all arrives`, async (t) => {
    const { here, there, wanted, got } = await publishAtOnce(t);
    for (const node of [here, there])
      for (const by of ['here', 'there']) t.same(byId(got(node, by)), byId(wanted(by)));
    const shared = ({ handedOut }: Node) => byId(handedOut.filter((text) => !text.endsWith(' end')));
    t.same(shared(here), shared(there), 'and all see one order of each id');
  });

  t.test(`${name}: interest ends with the last of an id, and of that one alone`, async (t) => {
    const [here, there] = await pairOf(t);
    there.add('a', 'a/#', 'end');
    await settled(there, here);
    there.remove('a');
    await settled(there, here);
    here.publish('a', 'by the filter');
    // Messages in flight when interest ends may be lost.
    await until('it has come', () => there.handedOut.length === 1);
    there.remove('a/#');
    await settled(there, here);
    here.publish('a', 'to nobody');
    t.equal((await here.count('a/b', 'to nobody')).delivered, 0, 'and both have gone');
    await settled(here, there);
    there.add('a');
    await settled(there, here);
    here.publish('a', 'again');
    here.publish('end', 'x');
    // With history the first of an id waits for a moment where the one before it has not come: here it never does.
    await until('both have arrived', () => there.handedOut.length === 3);
    t.equal(there.handedOut[0], 'a=by the filter');
    t.same(there.handedOut.slice(1).sort(), ['a=again', 'end=x']);
  });

  t.test(`${name}: counts are of both nodes, each of its own message`, async (t) => {
    const [here, there] = await pairOf(t);
    here.add('a', 'b');
    there.add('a', 'a/#', 'c');
    await settled(there, here);
    const ids = ['a', 'b', 'c', 'd'];
    const outcomes = await Promise.all(ids.map((id) => here.count(id, 'x'))); // in one turn
    t.same(
      outcomes.map(({ delivered }) => delivered),
      [3, 1, 1, 0],
    );
    t.ok(outcomes.every(({ unanswered, carried }) => unanswered === 0 && carried === 'yes'));
    here.publish('a', 'not counted');
    t.equal((await here.count('c', 'y')).delivered, 1, 'what is not counted is in nobody’s count');
  });

  t.test(`${name}: a node that has stopped is not waited for`, async (t) => {
    const [here, there] = await pairOf(t);
    there.add('a');
    await settled(there, here);
    const gone = new Promise((resolve) => here.engine.cluster?.onGone(({ run }) => resolve(run)));
    await there.engine.stop();
    t.equal(await gone, there.engine.cluster?.self.run);
    t.same(await here.count('a', 'x'), { delivered: 0, unanswered: 0, carried: 'yes' });
    t.same(there.handedOut, []);
  });

  t.test(`${name}: a question comes to the other node, and its answer back`, async (t) => {
    const [here, there] = await pairOf(t);
    const heard: string[] = [];
    there.engine.cluster!.onQuestion('word', (body) => {
      heard.push(`${Buffer.from(body)}`);
      return Buffer.from('the answer');
    });
    const { answers, unanswered } = await ask(here, 'word', 'y');
    t.same(heard, ['y']);
    t.same([answers.length, unanswered], [1, 0]);
    t.equal(String(Buffer.from(answers[0]!.body)), 'the answer');
    t.equal(answers[0]!.from.run, there.engine.cluster!.self.run);
    const [peer] = here.engine.cluster!.peers;
    const one = await askOne(here, peer!, 'word', 'z');
    t.equal(String(Buffer.from(one!)), 'the answer');
    t.same(heard, ['y', 'z']);
    t.equal(await askOne(here, { ...peer!, run: 1 }, 'word', 'nobody'), undefined);
  });
}

type AskedNode = Parameters<NonNullable<Engine['cluster']>['askOne']>[0];

function askOne(
  node: Node,
  asked: AskedNode,
  question: string,
  body: string,
): Promise<Uint8Array | undefined> {
  return new Promise((resolve) =>
    node.engine.cluster!.askOne(asked, question, Buffer.from(body), 5_000, resolve),
  );
}

type Answers = Parameters<Parameters<NonNullable<Engine['cluster']>['ask']>[3]>[0];

function ask(node: Node, question: string, body: string): Promise<Answers> {
  return new Promise((resolve) =>
    node.engine.cluster!.ask(question, Buffer.from(body), 5_000, (answers) => resolve(answers)),
  );
}

/** Each node knows all others. */
async function untilMet(all: readonly Node[]): Promise<void> {
  if (all.length === 1 || all[0]!.engine.cluster === undefined) return;
  await until('the nodes have met', () =>
    all.every(({ engine }) => engine.cluster!.peers.length === all.length - 1),
  );
}

/** `other` publishes by what `node` is interested in now: a question overtakes no change of interest. */
async function settled(node: Node, other: Node | undefined): Promise<void> {
  if (other === undefined || node === other) return;
  await new Promise<void>((resolve) => node.engine.whenInterested(resolve));
  if (node.engine.cluster !== undefined) await ask(node, 'nothing', '');
}

function pick({ id, timeMs, qos, retain }: Message) {
  return { id, timeMs, qos, retain };
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i}`);
}
