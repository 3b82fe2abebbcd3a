import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { RedisServer, type RedisServerOptions } from '../../redis-server.js';
import { until } from '../../until.js';
import { Wire } from '../raw-wire.js';

/** Several `encke start --engine redis` on one redis-server, and their readers, as the tests of history across nodes want them. */
export class HistoryNodes {
  readonly redis: RedisServer;
  readonly list: GatewayProcess[] = [];
  readonly #flags: readonly string[];

  private constructor(redis: RedisServer, flags: readonly string[]) {
    this.redis = redis;
    this.#flags = flags;
  }

  static async start(
    count: number,
    flags: readonly string[] = [],
    options: RedisServerOptions = {},
  ): Promise<HistoryNodes> {
    const nodes = new HistoryNodes(await RedisServer.start(options), flags);
    try {
      await Promise.all(Array.from({ length: count }, () => nodes.add()));
    } catch (error) {
      await nodes.stop();
      throw error;
    }
    return nodes;
  }

  /** One more. @param url how it reaches Redis */
  async add(flags: readonly string[] = [], url = this.redis.url): Promise<GatewayProcess> {
    const node = await startGateway({
      flags: [
        ...['--engine', 'redis', '--redis', url, '--heartbeat-sec', '0', '--log-level', 'warn'],
        ...['--drain-sec', '0', ...this.#flags, ...flags],
      ],
    });
    this.list.push(node);
    return node;
  }

  async stop(): Promise<void> {
    await Promise.all(this.list.map((node) => node.kill()));
    await this.redis.stop();
  }
}

/** Sends until it is carried, as somebody does who is told 503. @returns how often it was told 503 */
export async function sendCarried(node: GatewayProcess, id: string, text: string): Promise<number> {
  let refused = 0;
  const carried = async () => {
    const { status } = await fetch(`${node.apiUrl}/send/${id}`, { method: 'POST', body: text });
    if (status === 503) refused++;
    else if (status !== 200) throw new Error(`POST /send answered ${status}`);
    return status === 200;
  };
  await until(`${text} is carried`, carried, 20_000);
  return refused;
}

/** A stream of lines, and what has come over it. */
export class LineReader {
  readonly wire: Wire;

  private constructor(wire: Wire) {
    this.wire = wire;
  }

  /** @param path such as `/stream/a?since=oldest` */
  static async open(node: GatewayProcess, path: string): Promise<LineReader> {
    const wire = await Wire.open(node.port);
    wire.ask(path);
    await until(`${path} is open`, () => wire.chunks.length > 0 || wire.closed, 20_000);
    return new LineReader(wire);
  }

  // biome-ignore lint/suspicious/noExplicitAny: lines of JSON, as they are
  get lines(): any[] {
    const { text } = this.wire;
    const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
  }

  get texts(): string[] {
    return this.lines.flatMap(({ data }) => (data === undefined ? [] : [data]));
  }

  /** Of the newest line that has one. */
  get cursor(): string {
    return this.lines.findLast(({ cursor }) => cursor !== undefined).cursor;
  }

  async untilTexts(count: number, timeoutMs = 20_000): Promise<void> {
    await until(`${count} messages are there`, () => this.texts.length >= count, timeoutMs).catch((error) => {
      throw new Error(
        `${error.message}: there are ${this.texts.length}, ${this.wire.closed ? 'closed' : 'open'}`,
      );
    });
  }

  close(): Promise<void> {
    return this.wire.close();
  }
}
