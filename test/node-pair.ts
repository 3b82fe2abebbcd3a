import { rmSync } from 'node:fs';
import { sumOf } from '../gateway/cluster/stats-sum.js';
import { GatewayProcess, type GatewayProcessOptions, startProcess } from './gateway-process.js';
import { fenceId, nodeName } from './one-process.js';
import { RedisServer } from './redis-server.js';

/**
 * Two nodes on one redis-server in the place of a single process: every send goes in at the one, and every connection is
 * at the other. What `startGateway` gives where ENCKE_TEST_NODES is 2.
 *
 *     gateway.send, apiUrl, apiPort ──> sender ──> redis-server ──> holder <── url, port
 *     gateway.publisher (MQTT)      ──>
 */

/** One for each test file, for all that it starts: each pair has a name of its own. */
let redisServer: Promise<RedisServer> | undefined;
let pairs = 0;

/** Listened to by one of the two only; the other takes a free one, or none. */
const holderOnly = ['--port', '--mqtt-port'];
const senderOnly = ['--api-port'];

/** Of what has no history, which takes another way. */
const fenceIdWithoutHistory = '$fence/of/the/tests';
const fence = [fenceId, fenceIdWithoutHistory]
  .map((id) => `${JSON.stringify({ id, data: '', qos: 0 })}\n`)
  .join('');

export class NodePair extends GatewayProcess {
  readonly #sender: GatewayProcess;
  readonly #holder: GatewayProcess;

  constructor(sender: GatewayProcess, holder: GatewayProcess) {
    super(holder.child, holder.url, sender.apiUrl, []);
    this.#sender = sender;
    this.#holder = holder;
    sender.arrived = () => this.arrived();
    holder.child.once('exit', () => sender.child.kill('SIGKILL'));
  }

  override get publisher(): GatewayProcess {
    return this.#sender;
  }

  /** Without what the one says when the other stops. */
  override get log(): string {
    return (this.#sender.log + this.#holder.log).replace(/^.*"msg":"redis: gone".*\n/gm, '');
  }

  override get alive(): boolean {
    return this.#holder.alive && this.#sender.alive;
  }

  /** Of both together, but for what each has of its own. */
  // biome-ignore lint/suspicious/noExplicitAny: as in GatewayProcess
  override async stats(): Promise<any> {
    const [sent, held] = await Promise.all([this.#sender.stats(), this.#holder.stats()]);
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const sum = sumOf([sent, held]) as any;
    sum.connections.capacity = held.connections.capacity;
    for (const own of ['retained', 'retainedBytes', 'retainedRefused', 'history']) {
      sum.router[own] = held.router[own];
    }
    return sum;
  }

  /** A counted send comes back when the other node has handed it out, and with it all that was sent before. */
  override async arrived(): Promise<void> {
    await Promise.all(
      [this.#sender, this.#holder].map(async ({ apiUrl }) => {
        const answer = await fetch(`${apiUrl}/send`, { method: 'POST', body: fence });
        if (answer.status !== 200) throw new Error(`the fence: ${answer.status} ${await answer.text()}`);
        await answer.arrayBuffer();
      }),
    );
  }

  override async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | string> {
    const ended = await this.#holder.kill(signal);
    await this.#sender.kill();
    return ended;
  }
}

export async function startPair(options: GatewayProcessOptions): Promise<NodePair> {
  redisServer ??= startRedis();
  const { url } = await redisServer;
  const flags = options.flags ?? [];
  const name = `t${process.pid}_${++pairs}`;
  const common = ['--engine', 'redis', '--redis', url, '--name', name, '--count-wait-ms', '10000'];
  const ownName = flagValue(flags, '--node-name') ?? nodeName;
  const own = without(flags, ['--node-name']);
  const [sender, holder] = await bothOrNone([
    startProcess({
      ...options,
      flags: [...common, '--node-name', `${ownName}-sender`, ...without(own, holderOnly)],
    }),
    startProcess({ ...options, flags: [...common, '--node-name', ownName, ...without(own, senderOnly)] }),
  ]);
  const pair = new NodePair(sender, holder);
  return pair;
}

/** @throws what the second says, or else the first; the other one is gone then */
async function bothOrNone(
  starting: [Promise<GatewayProcess>, Promise<GatewayProcess>],
): Promise<[GatewayProcess, GatewayProcess]> {
  const [first, second] = await Promise.allSettled(starting);
  if (first.status === 'fulfilled' && second.status === 'fulfilled') return [first.value, second.value];
  if (first.status === 'fulfilled') await first.value.kill();
  if (second.status === 'fulfilled') await second.value.kill();
  throw second.status === 'rejected' ? second.reason : (first as PromiseRejectedResult).reason;
}

async function startRedis(): Promise<RedisServer> {
  const server = await RedisServer.start();
  server.unref(); // it goes with this process
  process.once('exit', () => rmSync(server.directory, { recursive: true, force: true }));
  return server;
}

function flagValue(flags: readonly string[], flag: string): string | undefined {
  return flags.includes(flag) ? flags[flags.indexOf(flag) + 1] : undefined;
}

function without(flags: readonly string[], left: readonly string[]): string[] {
  return flags.filter((flag, at) => !left.includes(flag) && !left.includes(flags[at - 1] ?? ''));
}
