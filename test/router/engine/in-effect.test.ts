import t from 'tap';
import { InEffect } from '../../../router/engine/nats/in-effect.js';
import type { Link } from '../../../router/engine/nats/link.js';

/** When NATS has what was subscribed to. */

function setUp() {
  const asked: ((answered: boolean) => void)[] = [];
  const state = { connected: true };
  const link = {
    get connected() {
      return state.connected;
    },
    flush: () => new Promise<boolean>((resolve) => asked.push(resolve)),
  };
  return { asked, state, inEffect: new InEffect(link as unknown as Link) };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

t.test('all who ask in a turn are told by one answer, and who asks behind it at once', async (t) => {
  const { asked, inEffect } = setUp();
  let told = 0;
  inEffect.when(() => told++);
  t.equal(told, 1, 'nothing was subscribed to yet');
  for (let n = 0; n < 10; n++) {
    inEffect.noteSubscribed();
    inEffect.when(() => told++);
  }
  await turn();
  t.same([asked.length, told], [1, 1]);
  asked[0]!(true);
  await turn();
  t.equal(told, 11);
  inEffect.when(() => told++);
  t.same([asked.length, told], [1, 12]);
});

t.test('what is subscribed to while one is on its way waits for the next', async (t) => {
  const { asked, inEffect } = setUp();
  const told: string[] = [];
  inEffect.noteSubscribed();
  inEffect.when(() => told.push('first'));
  await turn();
  inEffect.noteSubscribed();
  inEffect.when(() => told.push('second'));
  await turn();
  t.equal(asked.length, 2);
  asked[0]!(true);
  await turn();
  t.same(told, ['first']);
  asked[1]!(true);
  await turn();
  t.same(told, ['first', 'second']);
});

t.test('nobody waits while NATS is away, nor for a server that does not answer', async (t) => {
  const { asked, state, inEffect } = setUp();
  let told = 0;
  inEffect.noteSubscribed();
  state.connected = false;
  inEffect.when(() => told++);
  t.equal(told, 1);
  state.connected = true;
  const startedMs = performance.now();
  await new Promise<void>((resolve) => inEffect.when(resolve));
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs > 900 && tookMs < 5_000, `${Math.round(tookMs)} ms`);
  inEffect.when(() => told++);
  await turn();
  t.same([asked.length, told], [2, 1], 'it is not known, and asked again');
  asked[1]!(false);
  await turn();
  t.equal(told, 2, 'nor when NATS goes meanwhile');
});

t.test('who asks waits for what begins, too, though nothing was subscribed to for it', async (t) => {
  const { asked, inEffect } = setUp();
  const begin: (() => void)[] = [];
  const beginning = () => inEffect.noteBeginning(new Promise<void>((resolve) => begin.push(resolve)));
  const told: string[] = [];
  beginning();
  beginning();
  inEffect.when(() => told.push('first'));
  await turn();
  asked[0]!(true);
  begin[1]!();
  await turn();
  t.same(told, [], 'for all of it');
  begin[0]!();
  await turn();
  t.same(told, ['first']);
  inEffect.when(() => told.push('second'));
  t.same(told, ['first', 'second'], 'and nothing is left to wait for');
});
