import type { Redis } from 'ioredis';
import { Library } from '../../../../router/engine/redis/library.js';
import type { RedisServer } from '../../../redis-server.js';

/** The functions as a node calls them, for tests: one connection, batches numbered, answers taken apart. */

export interface Begun {
  last: number;
  bits: number;
  life: string;
  nowMs: number;
  seq: number;
  begin: number;
  cluster: string;
  /** What became of the messages of batches, by their numbers. */
  troubled: Record<number, string>;
}

export interface Sent {
  id: string;
  /** Default: '10:60000'; '' = no history. */
  rule?: string;
  head?: string;
  /** Default: a flag byte and 'hello'. */
  body?: string | Buffer;
  key?: string;
}

export interface Read {
  floor: number;
  complete: boolean;
  entries: { place: number; body: string }[];
}

export const run = (digit: string) => digit.repeat(16);
export const rulesText = JSON.stringify([
  ['$SYS/#', 0, 0],
  ['#', 10, 60_000],
]);
export const limitsText = JSON.stringify({ idBytesMax: 1024, levelsMax: 128, payloadBytesMax: 1_000_000 });

export class Functions {
  readonly redis: Redis;
  readonly library: Library;
  readonly run: string;
  generation = 0;
  number = 0;

  constructor(server: RedisServer, nodeRun = run('a'), name = 'encke') {
    this.redis = server.client();
    this.run = nodeRun;
    this.library = new Library(name);
  }

  /** Loads the library, and begins. */
  static async open(server: RedisServer, nodeRun?: string, name?: string): Promise<Functions> {
    const functions = new Functions(server, nodeRun, name);
    await functions.library.load(functions.redis);
    await functions.begin();
    return functions;
  }

  call(name: string, ...args: (string | number | Buffer)[]): Promise<unknown> {
    return this.redis.call('FCALL', `${this.library.prefix}${name}`, 0, ...args);
  }

  async begin({
    generation = ++this.generation,
    position = 0,
    index = 0,
    count = 1,
    cluster = 'c1',
    rules = rulesText,
    limits = limitsText,
  } = {}): Promise<Begun> {
    const args = [this.run, generation, position, index, count, cluster, rules, limits];
    const reply = (await this.call('begin', ...args)) as [
      number,
      number,
      string,
      number,
      number,
      number,
      string,
      ...(number | string)[],
    ];
    const [last, bits, life, nowMs, seq, begin, clusterNow, ...fates] = reply;
    const troubled: Record<number, string> = {};
    for (let at = 0; at < fates.length; at += 2) troubled[fates[at] as number] = fates[at + 1] as string;
    return { last, bits, life, nowMs, seq, begin, cluster: clusterNow, troubled };
  }

  /** @returns place of the last, and for each its copies or what an earlier one with its key had; why one has none */
  async publish(
    messages: readonly Sent[],
    {
      number = ++this.number,
      generation = this.generation,
      notAfterMs = Number(new Date(2100, 0)),
      runOf = this.run,
    } = {},
  ): Promise<{ seq: number; outcomes: (number | string)[] }> {
    const args = messages.flatMap(({ id, rule = '10:60000', head = '', body = '\0hello', key = '' }) => [
      id,
      rule,
      head,
      body,
      key,
    ]);
    const command = [`${this.library.prefix}publish`, 0, runOf, generation, number, notAfterMs, ...args];
    const reply = await this.redis.callBuffer('FCALL', ...(command as [string, ...string[]]));
    if (Buffer.isBuffer(reply))
      return { seq: Number(reply.readBigUInt64BE(0)), outcomes: [...reply.subarray(8)] };
    const [seq, ...outcomes] = reply as [number, ...(number | Buffer)[]];
    return { seq, outcomes: outcomes.map((each) => (typeof each === 'number' ? each : each.toString())) };
  }

  /** One message. @returns its place */
  async send(id: string, text = 'hello', rule?: string): Promise<number> {
    const { seq } = await this.publish([{ id, body: `\0${text}`, ...(rule === undefined ? {} : { rule }) }]);
    return seq;
  }

  async place(): Promise<{ seq: number; begin: number; nowMs: number }> {
    const [seq, begin, nowMs] = (await this.call('place', this.run)) as number[];
    return { seq: seq!, begin: begin!, nowMs: nowMs! };
  }

  async readAll(
    ids: readonly [id: string, after: number, rule?: string][],
    bytesMax = 1_000_000,
  ): Promise<{ seq: number; begin: number; parts: Read[] }> {
    const args = ids.flatMap(([id, after, rule = '10:60000']) => [id, after, rule]);
    const command = ['FCALL', `${this.library.prefix}read`, 0, this.run, bytesMax, ...args] as const;
    const reply = await this.redis.callBuffer(...(command as unknown as [string, ...string[]]));
    const [seq, begin, ...parts] = reply as unknown as [number, number, ...[number, number, ...Buffer[]][]];
    return {
      seq,
      begin,
      parts: parts.map(([floor, complete, ...entries]) => ({
        floor,
        complete: complete === 1,
        entries: entries.map((entry) => ({
          place: Number(entry.readBigUInt64BE(0)),
          body: entry.toString('utf8', 9),
        })),
      })),
    };
  }

  async read(id: string, after: number, rule?: string): Promise<Read> {
    const { parts } = await this.readAll([rule === undefined ? [id, after] : [id, after, rule]]);
    return parts[0]!;
  }
}

/** Messages of some channels. */
export class Subscriber {
  readonly #redis: Redis;
  readonly #copies: Copy[] = [];

  private constructor(redis: Redis) {
    this.#redis = redis;
    redis.on('messageBuffer', (channel: Buffer, data: Buffer) => {
      const place = Number(data.readBigUInt64BE(0));
      this.#copies.push({ channel: channel.toString(), place, rest: data.subarray(8) });
    });
  }

  static async of(server: RedisServer, channels: readonly string[]): Promise<Subscriber> {
    const subscriber = new Subscriber(server.client());
    await subscriber.#redis.subscribe(...channels);
    return subscriber;
  }

  /** All copies that were published until now, and have not been taken yet. */
  async take(): Promise<Copy[]> {
    await this.#redis.ping(); // its answer comes behind them
    return this.#copies.splice(0);
  }
}

export interface Copy {
  channel: string;
  place: number;
  rest: Buffer;
}
