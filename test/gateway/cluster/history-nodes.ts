import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';

/** Several `encke start --engine nats` on one nats-server, as the tests of history across nodes want them. */
export class Nodes {
  readonly nats: NatsServer;
  readonly list: GatewayProcess[];
  readonly #flags: readonly string[];

  private constructor(nats: NatsServer, list: GatewayProcess[], flags: readonly string[]) {
    this.nats = nats;
    this.list = list;
    this.#flags = flags;
  }

  static async start(count: number, flags: readonly string[] = []): Promise<Nodes> {
    const nats = await NatsServer.start();
    const nodes = new Nodes(nats, [], flags);
    try {
      await Promise.all(Array.from({ length: count }, () => nodes.add()));
    } catch (error) {
      await nodes.stop();
      throw error;
    }
    return nodes;
  }

  /** One more, at a free port or one that was another's. */
  async add(flags: readonly string[] = []): Promise<GatewayProcess> {
    const node = await startGateway({
      flags: [
        ...['--engine', 'nats', '--nats', this.nats.url, '--heartbeat-sec', '0', '--log-level', 'warn'],
        ...['--drain-sec', '0', ...this.#flags, ...flags],
      ],
    });
    this.list.push(node);
    return node;
  }

  async stop(): Promise<void> {
    await Promise.all(this.list.map((node) => node.kill()));
    await this.nats.stop();
  }
}

/** Sends until it is carried, as somebody does who is told 503. */
export async function sendCarried(node: GatewayProcess, id: string, text: string): Promise<void> {
  const carried = async () => {
    const { status } = await fetch(`${node.apiUrl}/send/${id}`, { method: 'POST', body: text });
    if (status !== 200 && status !== 503) throw new Error(`POST /send answered ${status}`);
    return status === 200;
  };
  await until(`${text} is carried`, carried);
}
