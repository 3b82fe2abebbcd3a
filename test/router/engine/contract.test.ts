import t from 'tap';
import { EmbeddedEngine } from '../../../router/engine/embedded.js';
import { engineContract } from '../../contracts/engine.js';
import { NatsCluster } from '../../nats-cluster.js';
import { natsEngineAt } from './engine-parts.js';

const [single, pair] = await Promise.all([NatsCluster.start(1), NatsCluster.start(2)]);
t.teardown(() => Promise.all([single.stop(), pair.stop()]));

engineContract('embedded', {
  nodes: 1,
  open: async () => ({ engines: [new EmbeddedEngine()], async close() {} }),
});

let clusters = 0;
/** Each test has a cluster of its own name, so they do not hear each other. */
function natsEngines(serverOf: (node: number) => string) {
  return async () => {
    const name = `test${++clusters}`;
    const engines = [0, 1].map((node) =>
      natsEngineAt(serverOf(node), { name, node: { name: `node-${node}`, group: '', role: 'both' } }),
    );
    const close = async () => {
      await Promise.all(engines.map((engine) => engine.stop()));
    };
    return { engines, close };
  };
}

engineContract('nats', { nodes: 2, open: natsEngines(() => single.servers[0]!.url) });

engineContract('nats, a server for each node', {
  nodes: 2,
  open: natsEngines((node) => pair.servers[node]!.url),
});
