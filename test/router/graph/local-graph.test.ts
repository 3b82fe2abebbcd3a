import t from 'tap';
import { LocalGraph } from '../../../router/graph/local-graph.js';
import { Graph, openGraph } from '../../../router/index.js';
import { friendsGraphContract } from '../../contracts/friends-graph.js';

friendsGraphContract(
  'in memory',
  async (subscriptionsMax) => new LocalGraph(new Graph({ subscriptionsMax })),
);

const directory = t.testdir();
let directories = 0;
friendsGraphContract('on disk', async (subscriptionsMax) => {
  const graph = await openGraph(`${directory}/${++directories}`, { subscriptionsMax });
  t.teardown(() => graph.close());
  return new LocalGraph(graph);
});
