import { freePort } from '../../free-port.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { RedisServer } from '../../redis-server.js';
import { StallingProxy } from '../../stalling-proxy.js';

/** A node that keeps its ports over all its lives. */
export class WorldNode {
  readonly index: number;
  readonly port: number;
  readonly apiPort: number;
  readonly #flags: readonly string[];
  /** Of the processes that are gone. */
  #logs = '';
  #process: GatewayProcess | undefined;

  constructor(index: number, port: number, apiPort: number, flags: readonly string[]) {
    this.index = index;
    this.port = port;
    this.apiPort = apiPort;
    this.#flags = flags;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get apiUrl(): string {
    return `http://127.0.0.1:${this.apiPort}`;
  }

  get alive(): boolean {
    return this.#process?.alive ?? false;
  }

  /** Exit code or signal, where it has ended. */
  get ending(): string {
    const { exitCode, signalCode } = this.#process?.child ?? {};
    return `${exitCode ?? signalCode ?? 'unknown'}`;
  }

  get log(): string {
    return this.#logs + (this.#process?.log ?? '');
  }

  async start(): Promise<void> {
    const ports = ['--port', `${this.port}`, '--api-port', `${this.apiPort}`];
    this.#process = await startGateway({ flags: [...ports, ...this.#flags] });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.child.kill(signal);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
    this.#logs = this.log;
    this.#process = undefined;
  }
}

export const shards = 2;

/** Nodes, two redis-servers with a replica each, and a way of each node to each of the two, which may lead to the replica. */
export class World {
  readonly nodes: readonly WorldNode[];
  /** By node, then by shard. */
  readonly links: readonly (readonly StallingProxy[])[];
  /** By shard: the one that the ways lead to, and its replica. */
  readonly pairs: { master: RedisServer; replica: RedisServer }[];

  private constructor(nodes: readonly WorldNode[], links: StallingProxy[][], pairs: World['pairs']) {
    this.nodes = nodes;
    this.links = links;
    this.pairs = pairs;
  }

  static async start(size: number): Promise<World> {
    const pairs = await Promise.all(Array.from({ length: shards }, startPair));
    const links: StallingProxy[][] = [];
    const nodes: WorldNode[] = [];
    for (let index = 0; index < size; index++) {
      const ways = await Promise.all(pairs.map(({ master }) => StallingProxy.start(master.port)));
      links.push(ways);
      const [port, apiPort] = await Promise.all([freePort(), freePort()]);
      const urls = ways.map((way) => `redis://127.0.0.1:${way.port}`).join(',');
      const flags = ['--engine', 'redis', '--redis', urls, '--node-name', `node-${index}`];
      nodes.push(
        new WorldNode(index, port!, apiPort!, [...flags, '--history-rules', '# 0 0', '--drain-sec', '0']),
      );
    }
    const world = new World(nodes, links, pairs);
    await Promise.all(nodes.map((node) => node.start()));
    return world;
  }

  /** The master of a shard dies, and its replica is promoted; all ways lead there then. */
  async failOver(shard: number): Promise<void> {
    const { master, replica } = this.pairs[shard]!;
    await master.kill();
    await replica.follow();
    for (const ways of this.links) {
      ways[shard]!.targetPort = replica.port;
      ways[shard]!.cut();
    }
    await master.restartEmpty();
    await master.follow(replica);
    this.pairs[shard] = { master: replica, replica: master };
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await Promise.all(this.links.flat().map((link) => link.stop()));
    await Promise.all(this.pairs.flatMap(({ master, replica }) => [master.stop(), replica.stop()]));
  }
}

async function startPair(): Promise<{ master: RedisServer; replica: RedisServer }> {
  const master = await RedisServer.start({ appendonly: true });
  return { master, replica: await RedisServer.start({ replicaOf: master, appendonly: true }) };
}
