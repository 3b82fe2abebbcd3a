import t from 'tap';
import { SlowChecks } from '../../access/slow-checks.js';
import { until } from '../until.js';

/** Slow checks with two threads, of which one is left to others, so that one check is made at a time. */

const never = Number.POSITIVE_INFINITY;
const soonMs = () => performance.now() + 50;

async function isPast(deadlineMs: number): Promise<void> {
  await until('the deadline is past', () => performance.now() > deadlineMs);
}

class Bench {
  readonly checks = new SlowChecks(2);
  /** Names of checks, in the order in which they began. */
  readonly begun: string[] = [];
  readonly #ends: (() => void)[] = [];

  /** Asks for a check that lasts until `endFirst`. */
  ask(name: string, address: string, deadlineMs = never): Promise<boolean | undefined> {
    return this.checks.run(address, deadlineMs, () => {
      this.begun.push(name);
      return new Promise((resolve) => this.#ends.push(() => resolve(true)));
    });
  }

  async endFirst(): Promise<void> {
    this.#ends.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async endAll(): Promise<void> {
    while (this.#ends.length > 0) await this.endFirst();
  }
}

t.test('addresses take turns, however many checks one of them asks for', async (t) => {
  const bench = new Bench();
  const answers = [1, 2, 3, 4].map((n) => bench.ask(`a${n}`, '10.0.0.1'));
  answers.push(bench.ask('b1', '10.0.0.2'), bench.ask('b2', '10.0.0.2'), bench.ask('c1', '10.0.0.3'));
  t.same(bench.begun, ['a1'], 'one at a time');
  await bench.endAll();
  t.same(bench.begun, ['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
  t.same(await Promise.all(answers), Array(7).fill(true));
});

t.test('an IPv6 /64 counts as one address, an IPv4 address in IPv6 as its own', async (t) => {
  const net = '2001:0db8:0000:0001';
  const mapped = '0000:0000:0000:0000:0000:ffff:0a00';
  const bench = new Bench();
  for (const [name, address] of [
    ['a1', `${net}:0000:0000:0000:0001`],
    ['a2', `${net}:0000:0000:0000:0002`],
    ['a3', `${net}:0000:0000:0000:0003`],
    ['b1', `${mapped}:0001`],
    ['c1', `${mapped}:0002`],
    ['b2', `${mapped}:0001`],
  ] as const)
    bench.ask(name, address);
  await bench.endAll();
  t.same(bench.begun, ['a1', 'a2', 'b1', 'c1', 'a3', 'b2']);
});

t.test('a check whose client has been answered meanwhile is not made', async (t) => {
  const bench = new Bench();
  t.equal(await bench.ask('late', '10.0.0.1', performance.now() - 1), undefined, 'at once');
  const first = bench.ask('first', '10.0.0.1');
  const late = [1, 2, 3].map((n) => bench.ask(`late${n}`, `10.0.0.${n}`, soonMs()));
  const last = bench.ask('last', '10.0.0.1');
  await isPast(soonMs());
  await bench.endFirst();
  t.same(await Promise.all(late), [undefined, undefined, undefined]);
  t.same(bench.begun, ['first', 'last']);
  await bench.endAll();
  t.same(await Promise.all([first, last]), [true, true]);
});

t.test('the place of a crowd from one address is given to others, the late ones first', async (t) => {
  const bench = new Bench();
  const crowd = Array.from({ length: 256 }, (_, n) => bench.ask(`crowd${n}`, '10.0.0.1'));
  t.equal(await bench.ask('one more', '10.0.0.1'), undefined);
  const other = bench.ask('other', '10.0.0.2');
  t.equal(await crowd.at(-1), undefined, 'the one that came last has made room');
  await bench.endFirst();
  await bench.endFirst();
  t.same(bench.begun, ['crowd0', 'crowd1', 'other']);
  await bench.endAll();
  t.equal(await other, true);
  t.equal(bench.begun.length, 256);

  const full = new Bench();
  full.ask('first', '10.0.0.9');
  const late = Array.from({ length: 255 }, (_, n) => full.ask('late', `10.0.1.${n}`, soonMs()));
  await isPast(soonMs());
  const next = full.ask('next', '10.0.0.9');
  t.same(await Promise.all(late), Array(255).fill(undefined));
  await full.endAll();
  t.equal(await next, true);
});

t.test('a check that fails frees its thread', async (t) => {
  const { checks } = new Bench();
  const failing = checks.run('10.0.0.1', never, () => Promise.reject(new Error('no hash')));
  const next = checks.run('10.0.0.1', never, async () => false);
  await t.rejects(failing, /no hash/);
  t.equal(await next, false);
});
