import { rmSync } from 'node:fs';
import { sumOf } from '../gateway/cluster/stats-sum.js';
import { GatewayProcess, type GatewayProcessOptions, startProcess } from './gateway-process.js';
import { NatsServer } from './nats-server.js';
import { fenceId, nodeName } from './one-process.js';
import { until } from './until.js';

/**
 * Two nodes on one nats-server in the place of a single process: every send goes in at the one, and every connection is
 * at the other. What `startGateway` gives where ENCKE_TEST_NODES is 2.
 *
 *     gateway.send, apiUrl, apiPort ──> sender ──> nats-server ──> holder <── url, port
 *     gateway.publisher (MQTT)      ──>
 */

/** One for each test file, for all that it starts: each pair has a name of its own. */
let natsServer: Promise<NatsServer> | undefined;
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
    return (this.#sender.log + this.#holder.log).replace(/^.*"msg":"nats: gone".*\n/gm, '');
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
  natsServer ??= startNats();
  const { url } = await natsServer;
  const flags = options.flags ?? [];
  const name = `t${process.pid}-${++pairs}`;
  const common = ['--engine', 'nats', '--nats', url, '--name', name, '--count-wait-ms', '10000'];
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
  await until('the two know each other', async () => {
    const both = await Promise.all([peersOf(sender, flags), peersOf(holder, flags)]);
    return both.every((peers) => peers === 1);
  });
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

async function peersOf({ apiUrl }: GatewayProcess, flags: readonly string[]): Promise<number> {
  const authorization = `Bearer ${flagValue(flags, '--api-token') ?? ''}`;
  const answer = await fetch(`${apiUrl}/stats`, { headers: { authorization } });
  return ((await answer.json()) as { engine: { peers: number } }).engine.peers;
}

async function startNats(): Promise<NatsServer> {
  const server = await NatsServer.start();
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
