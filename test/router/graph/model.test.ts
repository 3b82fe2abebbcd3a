import t from 'tap';
import { Graph } from '../../../router/graph/graph.js';
import { SeededRandom } from '../../seeded-random.js';

/** The graph as sets of strings. */
class Model {
  readonly followed = new Map<string, Set<string>>();
  readonly followers = new Map<string, Set<string>>();
  edges = 0;

  change(subscriber: string, subscribee: string, remove: boolean): boolean {
    const followed = setOf(this.followed, subscriber);
    if (followed.has(subscribee) !== remove) return false;
    const followers = setOf(this.followers, subscribee);
    if (remove) {
      followed.delete(subscribee);
      followers.delete(subscriber);
      this.edges--;
    } else {
      followed.add(subscribee);
      followers.add(subscriber);
      this.edges++;
    }
    return true;
  }

  get ids(): number {
    const all = new Set<string>();
    for (const map of [this.followed, this.followers])
      for (const [id, others] of map) if (others.size > 0) all.add(id);
    return all.size;
  }
}

function setOf(map: Map<string, Set<string>>, id: string): Set<string> {
  const found = map.get(id) ?? new Set();
  map.set(id, found);
  return found;
}

/** All ids of a list, in pages of `most`. */
function pagesOf(
  list: 'subscribersOf' | 'subscriptionsOf',
  graph: Graph,
  id: string,
  most: number,
): string[] {
  const all: string[] = [];
  let after: number | undefined = -1;
  while (after !== undefined) {
    const { ids, next }: { ids: string[]; next: number | undefined } = graph[list](id, most, after);
    all.push(...ids);
    after = next;
  }
  return all;
}

t.test('the graph is what its changes make of it', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const graph = new Graph();
  const model = new Model();
  // Few are followed by many, so that lists grow into sets and shrink back; names of all kinds and lengths.
  const names = Array.from({ length: 900 }, (_, n) => {
    const kind = n % 5;
    if (kind === 0) return `${n}`;
    if (kind === 1) return `user/${n}`;
    if (kind === 2) return `Größe/${n}`;
    if (kind === 3) return `日本/${n}`;
    return `${'x'.repeat(random.below(300))}/${n}`;
  });
  for (let phase = 0; phase < 6; phase++) {
    const removes = phase % 2 === 1;
    for (let n = 0; n < 20_000; n++) {
      const subscriber = random.pick(names);
      const subscribee = names[random.chance(0.5) ? random.below(5) : random.below(names.length)]!;
      if (subscriber === subscribee) continue;
      const remove = random.chance(removes ? 0.9 : 0.1);
      const changes = model.change(subscriber, subscribee, remove);
      const outcome = remove ? graph.remove(subscriber, subscribee) : graph.add(subscriber, subscribee);
      if (outcome !== (changes ? 'changed' : 'unchanged'))
        return t.fail(`${subscriber} -> ${subscribee}: ${outcome}`);
    }
    graph.tick();
    t.equal(graph.edges, model.edges, 'edges');
    t.equal(graph.ids, model.ids, 'ids');
    const wrong: string[] = [];
    for (const name of names) {
      const most = 1 + random.below(400);
      const followers = pagesOf('subscribersOf', graph, name, most).sort();
      const followed = pagesOf('subscriptionsOf', graph, name, most).sort();
      if (followers.join() !== [...(model.followers.get(name) ?? [])].sort().join()) wrong.push(name);
      if (followed.join() !== [...(model.followed.get(name) ?? [])].sort().join()) wrong.push(name);
      if (graph.subscribersOf(name, 1).count !== followers.length) wrong.push(name);
    }
    t.same(wrong, [], `phase ${phase}`);
  }
});

t.test('pages of a list that changes meanwhile have everything once that stays in it', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const graph = new Graph();
  const stays = Array.from({ length: 3000 }, (_, n) => `stays/${n}`);
  for (const id of stays) graph.add(id, 'star');
  const seen: string[] = [];
  let after: number | undefined = -1;
  for (let page = 0; after !== undefined; page++) {
    const { ids, next }: { ids: string[]; next: number | undefined } = graph.subscribersOf(
      'star',
      100,
      after,
    );
    seen.push(...ids.filter((id) => id.startsWith('stays/')));
    after = next;
    // The set grows past a doubling, and shrinks again.
    for (let n = 0; n < 400; n++)
      if (page < 15) graph.add(`comes/${page}/${n}`, 'star');
      else graph.remove(`comes/${page - 15}/${n}`, 'star');
  }
  t.same(seen.sort(), stays.sort());
});

t.test(
  'memory goes back after removals, and lists that grow together do not keep what they had',
  async (t) => {
    const graph = new Graph();
    const users = 20_000;
    const perUser = 16;
    for (let n = 0; n < perUser; n++)
      for (let id = 0; id < users; id++) graph.add(`${id}`, `${(id + 1 + n * 7) % users}`);
    for (let n = 0; n < 10; n++) graph.tick();
    const full = graph.bytes;
    t.ok(full < users * perUser * 4 * 2 * 2 + 8 * 1024 * 1024, `${full} bytes`);
    for (let n = 0; n < perUser; n++)
      for (let id = 0; id < users; id++) graph.remove(`${id}`, `${(id + 1 + n * 7) % users}`);
    for (let n = 0; n < 10; n++) graph.tick();
    t.equal(graph.ids, 0);
    t.equal(graph.edges, 0);
    t.ok(graph.subscribers.bytes + graph.subscriptions.bytes < full / 2, `${graph.bytes} of ${full} bytes`);
  },
);
