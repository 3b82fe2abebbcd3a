/** The servers of the run: Redis, the gateways, and the router, a node without streams that takes the sends. */
import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import { type GatewayProcess, startGateway } from '../../test/gateway-process.js';
import type { PartPids } from './memory-parts.js';
import type { Plan } from './plan.js';
import { type RedisFigures, RedisServers } from './redis-servers.js';

/** Their start is CPU time of one core each. */
const startedAtOnce = 2;
const figuresTimeoutMs = 20_000;

export interface FleetFigures {
  /** Added up over the gateways; how many of them answered. */
  answered: number;
  open: number;
  written: number;
  lost: number;
  heartbeats: number;
  /** Why they ended streams. */
  closed: Record<string, number>;
  /** Warnings of the gateways and the router, and how often each came. */
  warnings: Record<string, number>;
  /** Connections to Redis that they lost and opened again. */
  reconnects: number;
  redis: RedisFigures | undefined;
  /** Deliveries to followers and to the ids themselves, as the router counted them. */
  followerDeliveries: number;
}

export class Fleet {
  readonly #redis: RedisServers;
  readonly #router: GatewayProcess;
  readonly #gateways: GatewayProcess[];
  #stopping = false;

  private constructor(redis: RedisServers, router: GatewayProcess, gateways: GatewayProcess[]) {
    this.#redis = redis;
    this.#router = router;
    this.#gateways = gateways;
  }

  static async start(plan: Plan, tell: (text: string) => void): Promise<Fleet> {
    const redis = await RedisServers.start(plan.redisServers);
    const start = (name: string) =>
      startGateway({
        flags: [
          ...['--engine', 'redis', '--redis', redis.urls, '--node-name', name],
          ...['--heartbeat-sec', String(plan.heartbeatSec), '--log-level', 'warn', '--drain-sec', '0'],
          ...(plan.historyRules === undefined ? [] : ['--history-rules', plan.historyRules]),
          ...(plan.followed === 0 ? [] : ['--send-to-followers', '#']),
        ],
      });
    const router = await start('router');
    for (const pid of [...redis.pids, router.pid]) prefer(pid);
    const gateways: GatewayProcess[] = [];
    const startSome = async () => {
      while (gateways.length + starting < plan.gateways) {
        starting++;
        const gateway = await start(`gateway-${gateways.length + starting}`);
        starting--;
        gateways.push(gateway);
      }
    };
    let starting = 0;
    await Promise.all(Array.from({ length: startedAtOnce }, startSome));
    tell(`${plan.redisServers} redis-server, a router and ${gateways.length} gateways are up.`);
    return new Fleet(redis, router, gateways);
  }

  get gatewayPorts(): number[] {
    return this.#gateways.map(({ port }) => port);
  }

  /** Where messages are sent to. */
  get sendUrl(): string {
    return this.#router.apiUrl;
  }

  get pids(): Pick<PartPids, 'gateways' | 'redis' | 'router'> {
    return {
      gateways: this.#gateways.map(({ pid }) => pid),
      redis: this.#redis.pids,
      router: [this.#router.pid],
    };
  }

  onEnd(listener: (what: string) => void): void {
    for (const node of [this.#router, ...this.#gateways]) {
      node.child.once('exit', (code, signal) => {
        const name = node === this.#router ? 'the router' : `a gateway (process ${node.pid})`;
        const log = node.log.trim().split('\n').at(-1);
        if (!this.#stopping) listener(`${name} (${signal ?? `exit code ${code}`}; last in its log: ${log})`);
      });
    }
  }

  /** All log lines, with the node's name. */
  get log(): string {
    return [this.#router, ...this.#gateways]
      .flatMap(({ log }, n) => {
        const name = n === 0 ? 'router' : `gateway-${n}`;
        const lines = log.split('\n').filter((line) => line !== '');
        return lines.map((line) => `${name} ${line}\n`);
      })
      .join('');
  }

  /** Their own metrics. */
  async figures(): Promise<FleetFigures> {
    const stats = await Promise.all(this.#gateways.map((gateway) => within(gateway.stats())));
    const router = await within(this.#router.stats());
    const told = stats.filter((one) => one !== undefined);
    // biome-ignore lint/suspicious/noExplicitAny: what /stats holds
    const sum = (of: (one: any) => number) => told.reduce((total, one) => total + of(one), 0);
    return {
      answered: told.length,
      open: sum(({ connections }) => connections.open),
      written: sum(({ messages }) => messages.written),
      lost: sum(({ messages }) => messages.lost),
      heartbeats: sum(({ messages }) => messages.heartbeats),
      closed: added(told.map(({ connections }) => connections.closed)),
      warnings: added([this.#router, ...this.#gateways].map(({ log }) => warningsIn(log))),
      reconnects: sum(({ engine }) =>
        engine.shards.reduce(
          (total: number, { reconnects }: { reconnects: number }) => total + reconnects,
          0,
        ),
      ),
      redis: await within(this.#redis.figures()),
      followerDeliveries: router?.router.graph.sends.delivered ?? 0,
    };
  }

  /** At once: closing a million streams in good order would be a run of its own. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([this.#router, ...this.#gateways].map((node) => node.kill()));
    await this.#redis.stop();
  }
}

function added(counts: readonly Record<string, number>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, count] of counts.flatMap((one) => Object.entries(one))) {
    if (count > 0) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}

/** By their text; the log has a JSON object a line. */
function warningsIn(log: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, text = ''] of log.matchAll(/"msg":"([^"]*)"/g)) counts[text] = (counts[text] ?? 0) + 1;
  return counts;
}

/**
 * Elsewhere these have cores of their own. Here 110 processes share two, and each has as much of them as any other:
 * Redis, with 20 s of work in 150 s, would not answer for seconds. Needs root; else all are equal.
 */
function prefer(pid: number): void {
  try {
    // A priority is a thread's.
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), -10);
  } catch {
    console.log('Not root: Redis and the router have no more of the CPU than each of the others.');
  }
}

/** Undefined where there is no answer in time, as from a process that is too busy. */
async function within<T>(answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, figuresTimeoutMs, undefined);
  });
  try {
    return await Promise.race([answer, tooLate]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
