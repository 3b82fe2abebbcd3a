import t from 'tap';
import { Message, type Qos, type Router } from '../../router/index.js';
import { collectGarbage } from '../garbage.js';
import { SeededRandom } from '../seeded-random.js';
import { startedRouter, textOf } from './inbox.js';
import { naiveMatch } from './naive-matcher.js';

/** A walk through what is retained that is left and taken up again, while others publish. */

type Walk = ReturnType<Router['walkRetained']>;

function retain(router: Router, id: string, text: string, qos: Qos = 0): void {
  router.publish(new Message(id, Buffer.from(text), 0, qos, true));
}

/** The next `count` messages, or all that are left. */
function take(walk: Walk, count = Infinity): string[] {
  const taken: string[] = [];
  for (walk.seek(Infinity); !walk.done && taken.length < count; walk.seek(Infinity)) {
    const message = walk.take();
    taken.push(`${message.id}=${textOf(message)}`);
  }
  return taken;
}

async function routerWith(...ids: string[]): Promise<Router> {
  const router = await startedRouter();
  for (const id of ids) retain(router, id, 'old');
  return router;
}

t.test('a walk that waits goes on where it was', async (t) => {
  const router = await routerWith('a', 'a/1', 'a/2', 'b/1', 'c');
  const walk = router.walkRetained('#');
  t.same(take(walk, 2), ['a=old', 'a/1=old']);
  t.same([walk.done, walk.qos], [false, 0]);
  t.same(take(walk), ['a/2=old', 'b/1=old', 'c=old']);
  t.same([walk.done, walk.qos], [true, undefined]);
});

t.test('it finds what was there when it was made, not what has come or changed since', async (t) => {
  const router = await routerWith('a/1', 'a/2', 'a/3');
  const walk = router.walkRetained('a/+');
  t.same(take(walk, 1), ['a/1=old']);
  retain(router, 'a/2', 'new');
  retain(router, 'a/4', 'new');
  t.same(take(walk), ['a/3=old']);
  t.same(take(router.walkRetained('a/+')), ['a/1=old', 'a/2=new', 'a/3=old', 'a/4=new']);
});

t.test('where it waits at a message that is cleared or replaced, it goes on to the next', async (t) => {
  for (const text of ['', 'new']) {
    const router = await routerWith('a', 'b', 'c');
    const walk = router.walkRetained('+');
    take(walk, 1);
    walk.seek(Infinity);
    t.equal(walk.qos, 0, 'at b');
    retain(router, 'b', text);
    t.same([walk.qos, walk.done], [undefined, false]);
    t.same(take(walk), ['c=old']);
  }
});

t.test('the branch where it waits may be cleared, and come again', async (t) => {
  const router = await routerWith('a/b/1', 'a/b/2', 'a/b/3', 'z');
  const walk = router.walkRetained('#');
  t.same(take(walk, 1), ['a/b/1=old']);
  for (const n of [1, 2, 3]) retain(router, `a/b/${n}`, '');
  for (const n of [2, 3, 4]) retain(router, `a/b/${n}`, 'new');
  t.same(take(walk), ['z=old']);
});

t.test('it looks at no more levels at a time than it is told to', async (t) => {
  const router = await startedRouter();
  for (let n = 0; n < 1_000; n++) retain(router, `a/${n}/b`, 'x');
  const walk = router.walkRetained('+/+/none');
  let [steps, turns] = [0, 0];
  for (; !walk.done; turns++) {
    const took = walk.seek(10);
    if (took > 10) t.fail(`${took} steps`);
    steps += took;
  }
  t.ok(turns >= 200 && steps <= 4_000, `${steps} steps for 2,001 levels, in ${turns} turns`);
});

t.test('it ends, however fast others come meanwhile', async (t) => {
  const router = await routerWith(...Array.from({ length: 100 }, (_, n) => `id/${n}`));
  const walk = router.walkRetained('id/+');
  let [found, steps] = [0, 0];
  for (; !walk.done && steps < 1_000; steps++) {
    walk.seek(1);
    if (walk.qos !== undefined) {
      walk.take();
      found++;
    }
    retain(router, `id/new ${steps}`, 'new');
  }
  t.equal(found, 100);
  t.ok(steps <= 110, `${steps} steps: one for each that was there, and a few up and down`);
});

t.test('a message that only comes and goes is not kept by a walk that waits', async (t) => {
  const router = await routerWith(...Array.from({ length: 1_000 }, (_, n) => `id/${n}`));
  const walk = router.walkRetained('id/+');
  take(walk, 500);
  const churn = (from: number) => {
    for (let n = from; n < from + 20_000; n++) retain(router, `id/x${n}`, 'x');
    for (let n = from; n < from + 20_000; n++) retain(router, `id/x${n}`, '');
  };
  churn(0);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let round = 1; round <= 20; round++) churn(round * 20_000);
  collectGarbage();
  const grownMb = (process.memoryUsage().heapUsed - before) / 1e6;
  t.ok(grownMb < 3, `${grownMb.toFixed(1)} MB; an iterator of a Map keeps 80 MB alive`);
  t.equal(take(walk).length, 500);
});

t.test('for any changes meanwhile, it finds exactly the messages that stayed', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const levels = ['a', 'b', '', '$s', ...Array.from({ length: 30 }, (_, n) => `level ${n}`)];
  const randomId = () =>
    Array.from({ length: 1 + random.below(3) }, () => random.pick(levels)).join('/') || '/';
  const filters = ['#', '+', '+/+', 'a/#', '+/b', 'a/+/b', '+/#', '/+', 'a', '$s/#', '+/+/+'];
  for (let round = 0; round < 300; round++) {
    const router = await startedRouter();
    const kept = new Map<string, string>();
    const change = (step: string) => {
      const id = random.chance(0.5) && kept.size > 0 ? random.pick([...kept.keys()]) : randomId();
      const text = random.chance(0.5) ? '' : step;
      retain(router, id, text);
      if (text === '') kept.delete(id);
      else kept.set(id, text);
      return id;
    };
    for (let n = 0; n < 200; n++) retainNew(router, kept, randomId(), `${n}`);
    const filter = random.pick(filters);
    const due = new Set([...kept.keys()].filter((id) => naiveMatch(filter, id)));
    const walk = router.walkRetained(filter);
    const found: string[] = [];
    for (let step = 0; !walk.done; step++) {
      walk.seek(1 + random.below(5));
      if (walk.qos !== undefined && random.chance(0.7)) {
        const message = walk.take();
        if (!due.has(message.id) || kept.get(message.id) !== textOf(message))
          return t.fail(`round ${round}: ${filter} found ${message.id}, which is not what was there`);
        found.push(message.id);
        due.delete(message.id); // never twice
      }
      if (random.chance(0.8)) due.delete(change(`step ${step}`));
    }
    if (due.size > 0) return t.fail(`round ${round}: ${filter} missed ${[...due]} and found ${found}`);
    for (const id of kept.keys()) retain(router, id, '');
    const { retained, retainedBytes } = router.stats();
    if (retained + retainedBytes > 0) return t.fail(`round ${round}: something was left behind`);
  }
  t.pass('300 rounds');
});

function retainNew(router: Router, kept: Map<string, string>, id: string, text: string): void {
  retain(router, id, text);
  kept.set(id, text);
}
