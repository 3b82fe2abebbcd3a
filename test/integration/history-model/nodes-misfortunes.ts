import type { CuttableWay } from '../../cuttable-way.js';
import type { GatewayProcess } from '../../gateway-process.js';
import type { RedisServer } from '../../redis-server.js';
import type { SeededRandom } from '../../seeded-random.js';
import type { NodesTruth } from './nodes-truth.js';

export const noMisfortunes = {
  nodeDeaths: 0,
  nodePauses: 0,
  waysCut: 0,
  redisPauses: 0,
  redisDeaths: 0,
  failovers: 0,
};

type Misfortune = keyof typeof noMisfortunes;

/** Of 10,000 steps. */
const shares: Record<Misfortune, number> = {
  nodeDeaths: 15,
  nodePauses: 20,
  waysCut: 40,
  redisPauses: 15,
  redisDeaths: 6,
  failovers: 6,
};
const awayMsMax = 2_000;

/** Things that may fail. */
export interface Cluster {
  /** Where all ways lead; the other one follows it. */
  redis: RedisServer;
  replica: RedisServer;
  /** Undefined: it was killed, and starts anew when the round is over. */
  readonly nodes: (GatewayProcess | undefined)[];
  /** Of each node to Redis. */
  readonly ways: CuttableWay[];
  readonly truth: NodesTruth;
  readonly ids: readonly string[];
  readonly random: SeededRandom;
  readonly counts: Record<Misfortune, number>;
  /** Current outages, with their ends. */
  readonly outages: Map<string, Promise<void>>;
}

/** One in a hundred steps. */
export async function maybeMisfortune(cluster: Cluster): Promise<void> {
  const { random, nodes, ways, redis } = cluster;
  const kind = kindOf(random.below(10_000));
  const n = random.below(nodes.length);
  switch (kind) {
    case 'nodeDeaths':
      return killNode(cluster, n);
    case 'nodePauses': {
      const pid = nodes[n]?.pid;
      const signal = (name: NodeJS.Signals) => () => process.kill(pid!, name);
      if (pid !== undefined) outage(cluster, `node ${n}`, kind, signal('SIGSTOP'), signal('SIGCONT'));
      return;
    }
    case 'waysCut': {
      const way = ways[n]!;
      return outage(
        cluster,
        `way ${n}`,
        kind,
        () => way.cut(),
        () => way.giveBack(),
      );
    }
    case 'redisPauses': {
      const signal = (name: NodeJS.Signals) => () => redis.signal(name);
      return outage(cluster, 'redis', kind, signal('SIGSTOP'), signal('SIGCONT'));
    }
    case 'redisDeaths':
      return outage(
        cluster,
        'redis',
        kind,
        () => redis.kill(),
        async () => {
          await redis.restart();
          cluster.truth.beginAnew(cluster.ids);
        },
      );
    case 'failovers':
      return outage(
        cluster,
        'redis',
        kind,
        () => redis.kill(),
        () => failOver(cluster),
      );
  }
}

/** The replica has what it has. */
async function failOver(cluster: Cluster): Promise<void> {
  const { redis: former, replica: promoted, ways, truth, ids } = cluster;
  await promoted.follow();
  for (const way of ways) way.targetPort = promoted.port;
  Object.assign(cluster, { redis: promoted, replica: former });
  await former.restartEmpty();
  await former.follow(promoted);
  truth.beginAnew(ids);
}

function kindOf(draw: number): Misfortune | undefined {
  let bound = 0;
  for (const [kind, share] of Object.entries(shares) as [Misfortune, number][]) {
    bound += share;
    if (draw < bound) return kind;
  }
  return undefined;
}

/** With -9; not the last one, and not one that stands still. */
async function killNode({ nodes, outages, counts }: Cluster, n: number): Promise<void> {
  const node = nodes[n];
  const up = nodes.filter((node) => node !== undefined).length;
  if (node === undefined || up < 2 || outages.has(`node ${n}`)) return;
  counts.nodeDeaths++;
  nodes[n] = undefined;
  await node.kill('SIGKILL');
}

/** One at a time of the same thing. */
function outage(
  { random, truth, outages, counts }: Cluster,
  what: string,
  kind: Misfortune,
  begin: () => unknown,
  end: () => unknown,
): void {
  if (outages.has(what)) return;
  counts[kind]++;
  const awayMs = random.below(awayMsMax);
  const over = truth.beginOutage();
  const run = async () => {
    await begin();
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    await end();
    over();
    outages.delete(what);
  };
  outages.set(what, run());
}
