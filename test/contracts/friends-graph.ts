import t from 'tap';
import type { EdgeChange, FriendsGraph, ListOfId } from '../../router/graph/shared-graph.js';

const all = () => true;

function edge(subscriber: string, subscribee: string, remove = false): EdgeChange {
  return { subscriber, subscribee, remove };
}

async function listOf(graph: FriendsGraph, which: ListOfId, id: string, most: number): Promise<string[][]> {
  const pages: string[][] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = (await graph.list(which, id, most, after))!;
    pages.push(page.ids);
    after = page.next as string | undefined;
  }
  return pages;
}

async function edgesOf(graph: FriendsGraph, most: number): Promise<string[]> {
  const edges: string[] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = (await graph.edges(most, after, all))!;
    edges.push(...page.edges.map((pair) => pair.join(' ')));
    after = page.next as string | undefined;
  }
  return edges.sort();
}

/** The contract of every friends graph; see router/graph/shared-graph.ts. @param open makes a new, empty one */
export function friendsGraphContract(
  name: string,
  open: (subscriptionsMax: number) => Promise<FriendsGraph>,
): void {
  t.test(`${name}: edges are added and removed, each once, in order`, async (t) => {
    const graph = await open(100);
    const changes = [edge('a', 'b'), edge('c', 'b'), edge('b', 'a'), edge('a', 'b'), edge('a', 'a')];
    t.same(await graph.change(changes), ['changed', 'changed', 'changed', 'unchanged', 'self']);
    t.same((await listOf(graph, 'subscribers', 'b', 10)).flat().sort(), ['a', 'c']);
    t.same((await graph.list('subscriptions', 'a', 10, ''))!, { count: 1, ids: ['b'], next: undefined });
    t.same((await graph.list('subscriptions', 'nobody', 10, ''))!, { count: 0, ids: [], next: undefined });
    const again = [edge('a', 'b', true), edge('x', 'y', true), edge('a', 'd'), edge('a', 'd', true)];
    t.same(await graph.change(again), ['changed', 'unchanged', 'changed', 'changed']);
    t.same(await edgesOf(graph, 10), ['b a', 'c b']);
    t.equal((await graph.edges(10, '', all))!.count, 2);
    t.same(await graph.change([]), []);
  });

  t.test(`${name}: an id follows at most so many`, async (t) => {
    const graph = await open(2);
    const changes = [edge('a', '1'), edge('a', '2'), edge('a', '3'), edge('a', '1'), edge('b', '3')];
    const outcomes = ['changed', 'changed', 'too-many-subscriptions', 'unchanged', 'changed'];
    t.same(await graph.change(changes), outcomes);
    t.same(await listOf(graph, 'subscribers', '3', 10), [['b']]);
    t.same(await graph.change([edge('a', '1', true), edge('a', '3')]), ['changed', 'changed']);
    t.same((await listOf(graph, 'subscriptions', 'a', 10)).flat().sort(), ['2', '3']);
  });

  t.test(`${name}: pages have each edge once, whatever changes between them`, async (t) => {
    const graph = await open(1_000);
    const ids = Array.from({ length: 300 }, (_, n) => (n % 2 === 0 ? `user/${n}` : `Ü ${n}`));
    await graph.change(ids.flatMap((id) => [edge(id, 'star'), edge('fan', id)]));
    for (const [which, id] of [
      ['subscribers', 'star'],
      ['subscriptions', 'fan'],
    ] as const) {
      const pages = await listOf(graph, which, id, 100);
      t.same(pages.flat().sort(), [...ids].sort());
      t.ok(pages.length >= 3 && pages.length <= 4, `${pages.length} pages`);
    }
    const first = (await graph.list('subscribers', 'star', 100, ''))!;
    await graph.change([edge(first.ids.at(-1)!, 'star', true), edge('new', 'star')]);
    const second = (await graph.list('subscribers', 'star', 300, first.next!))!;
    const both = [...first.ids, ...second.ids].filter((id) => id !== 'new');
    t.same(both.sort(), [...ids].sort());
    t.equal((await edgesOf(graph, 70)).length, 600);
    const some = (await graph.edges(10_000, '', (id) => id === 'fan'))!;
    t.same(new Set(some.edges.map(([subscriber]) => subscriber)), new Set(['fan']));
    t.equal(await graph.list('subscribers', 'star', 10, '!'), undefined);
    t.equal(await graph.edges(10, '!', all), undefined);
  });
}
