import t from 'tap';
import type { Outcome } from '../../../../router/engine/engine.js';
import { ShardError } from '../../../../router/engine/redis/errors.js';
import { Publisher, type PublisherParts } from '../../../../router/engine/redis/publisher.js';
import type { Begun } from '../../../../router/engine/redis/shard.js';
import { Message } from '../../../../router/message.js';

/** Order and outcomes of messages whose calls did nothing; the server is played. */

interface Call {
  readonly texts: readonly string[];
  readonly answer: (reply: Buffer) => void;
  readonly fail: (error: ShardError) => void;
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

class PlayedShard {
  readonly parts = { library: { prefix: 'x_' }, run: '0'.repeat(16), name: 'r' };
  readonly clock = { at: (ms: number) => Math.floor(ms) };
  readonly check = { note() {} };
  readonly usable = true;
  readonly carries = true;
  readonly outcomes = new Map<string, Outcome>();
  readonly publisher: Publisher;
  calls: Call[] = [];
  generation = 0;
  open = false;
  onBegun: (begun: Begun) => void = () => {};

  constructor() {
    this.publisher = new Publisher({
      shard: this as unknown as PublisherParts['shard'],
      counts: {} as PublisherParts['counts'],
      pendingBytesMax: 1e9,
    });
    this.begin();
  }

  begin(sameRun = true, begun: Partial<Begun> = {}): void {
    this.open = true;
    this.generation++;
    this.onBegun({ last: 0, bits: 0, troubled: new Map(), sameRun, ...begun });
  }

  send(call: { toWritable(): string | Buffer }): Promise<unknown> {
    const texts = Array.from(
      call
        .toWritable()
        .toString('latin1')
        .matchAll(/(m\d+)\r/g),
      ([, text]) => text!,
    );
    return new Promise((answer, fail) => this.calls.push({ texts, answer, fail }));
  }

  /** The connection breaks, where it has not. */
  renew(): void {
    this.open = false;
  }

  /** As many as make three calls under way, with more that wait. */
  async publishAll(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const text = `m${n}`;
      const onOutcome = (outcome: Outcome) => this.outcomes.set(text, outcome);
      this.publisher.publish(new Message('a', Buffer.from(text), 1, 1), '', { onOutcome });
      if (n < 4) await turn();
    }
    await turn();
  }

  /** @returns messages in the order in which they ran */
  async runAll(): Promise<string[]> {
    const order: string[] = [];
    for (let call = this.calls.shift(); call !== undefined; call = this.calls.shift()) {
      order.push(...call.texts);
      call.answer(Buffer.alloc(8 + call.texts.length, 1));
      await turn();
    }
    return order;
  }
}

const texts = Array.from({ length: 40 }, (_, n) => `m${n}`);
const superseded = () => new ShardError('superseded', 'SUPERSEDED');

for (const [others, second] of [
  ['are superseded as well', superseded],
  ['break off with their connection', () => new ShardError('away', 'closed')],
] as const)
  t.test(`a call is superseded, and those behind it ${others}: the order stays`, async (t) => {
    const shard = new PlayedShard();
    await shard.publishAll(40);
    const [first, ...behind] = shard.calls.splice(0);
    t.ok(behind.length >= 2, `${behind.length} are behind it`);
    first!.fail(superseded());
    for (const call of behind) call.fail(second());
    await turn();
    t.same(shard.calls, [], 'nothing goes out before the next connection begins');
    shard.begin();
    await turn();
    t.same(await shard.runAll(), texts);
    t.equal(shard.publisher.idle, true);
  });

t.test('a superseded call did nothing, whatever server the next connection is to', async (t) => {
  const shard = new PlayedShard();
  await shard.publishAll(1);
  shard.calls.shift()!.fail(superseded());
  await turn();
  shard.begin(false);
  await turn();
  t.same(await shard.runAll(), ['m0']);
  t.match(shard.outcomes.get('m0'), { carried: 'yes' });
});

for (const end of ['refuseWaiting', 'stop'] as const)
  t.test(`a superseded call did nothing, and nobody gets it: ${end}`, async (t) => {
    const shard = new PlayedShard();
    await shard.publishAll(1);
    shard.calls.shift()!.fail(superseded());
    await turn();
    shard.publisher[end]();
    t.match(shard.outcomes.get('m0'), { carried: 'no', reason: /away/ });
    t.equal(shard.publisher.idle, true);
  });

t.test('a call came too late, and those behind it ran: none of it is repeated behind them', async (t) => {
  const shard = new PlayedShard();
  await shard.publishAll(40);
  const late = shard.calls.splice(0, 2);
  for (const call of late) call.fail(new ShardError('late', 'LATE'));
  await turn();
  const lateTexts = late.flatMap((call) => call.texts);
  t.same(await shard.runAll(), texts.slice(lateTexts.length));
  for (const text of lateTexts) t.match(shard.outcomes.get(text), { carried: 'no', reason: /is behind/ });
});

t.test('the answer of a call is lost, of which not all went out: each message is told its own', async (t) => {
  const shard = new PlayedShard();
  for (let n = 0; n < 3; n++) {
    const onOutcome = (outcome: Outcome) => shard.outcomes.set(`m${n}`, outcome);
    shard.publisher.publish(new Message('a', Buffer.from(`m${n}`), 1, 1), '', { onOutcome });
  }
  await turn();
  const [call] = shard.calls.splice(0);
  t.same(call!.texts, ['m0', 'm1', 'm2'], 'in one call');
  call!.fail(new ShardError('away', 'closed'));
  await turn();
  shard.begin(true, { last: 1, bits: 1, troubled: new Map([[1, '-+?']]) });
  t.match(shard.outcomes.get('m0'), { carried: 'no', reason: /could not keep it/ });
  t.match(shard.outcomes.get('m1'), { carried: 'yes' });
  t.match(shard.outcomes.get('m2'), { carried: 'unknown', reason: /broke off/ });
  t.same(shard.calls, [], 'none goes out again');
});

t.test('50,000 takeovers wait for one message: each costs the same', async (t) => {
  const shard = new PlayedShard();
  await shard.publishAll(1);
  let called = 0;
  const startedMs = performance.now();
  for (let n = 0; n < 50_000; n++) shard.publisher.whenAnswered(() => called++);
  const ms = performance.now() - startedMs;
  t.ok(ms < 5_000, `${Math.round(ms)} ms`);
  await shard.runAll();
  await turn();
  t.equal(called, 50_000);
});
