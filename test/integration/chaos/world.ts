import { freePort } from '../../free-port.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { NatsCluster } from '../../nats-cluster.js';
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

/** Three nodes and three nats-servers; each node has a way of its own to each server. */
export class World {
  readonly nats: NatsCluster;
  readonly nodes: readonly WorldNode[];
  /** By node, then by server. */
  readonly links: readonly (readonly StallingProxy[])[];

  private constructor(nats: NatsCluster, nodes: readonly WorldNode[], links: StallingProxy[][]) {
    this.nats = nats;
    this.nodes = nodes;
    this.links = links;
  }

  static async start(size: number): Promise<World> {
    // Told of the servers' own addresses, nodes would go around the proxies.
    const nats = await NatsCluster.start(size, { advertise: false });
    const links: StallingProxy[][] = [];
    const nodes: WorldNode[] = [];
    for (let index = 0; index < size; index++) {
      const ways = await Promise.all(nats.servers.map(({ port }) => StallingProxy.start(port)));
      links.push(ways);
      const [port, apiPort] = await Promise.all([freePort(), freePort()]);
      const urls = ways.map(({ url }) => url).join(',');
      const flags = ['--engine', 'nats', '--nats', urls, '--node-name', `node-${index}`];
      nodes.push(
        new WorldNode(index, port!, apiPort!, [...flags, '--history-rules', '# 0 0', '--drain-sec', '0']),
      );
    }
    const world = new World(nats, nodes, links);
    await Promise.all(nodes.map((node) => node.start()));
    return world;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await Promise.all(this.links.flat().map((link) => link.stop()));
    await this.nats.stop();
  }
}
