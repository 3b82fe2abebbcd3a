/** The Redis servers of the run, and what they say of themselves. */
import { readFileSync } from 'node:fs';
import { RedisServer } from '../../test/redis-server.js';

export interface RedisFigures {
  /** Added up over the servers. */
  connections: number;
  channels: number;
  commands: number;
  /** Memory of the servers by their own count; RSS is in the memory by part. */
  usedBytes: number;
  /** Connections that a server ended because their node read too slowly. */
  endedForSlowReading: number;
}

export class RedisServers {
  readonly #servers: readonly RedisServer[];

  private constructor(servers: readonly RedisServer[]) {
    this.#servers = servers;
  }

  static async start(count: number): Promise<RedisServers> {
    return new RedisServers(await Promise.all(Array.from({ length: count }, () => RedisServer.start())));
  }

  /** As `--redis` takes them. */
  get urls(): string {
    return this.#servers.map(({ url }) => url).join();
  }

  get pids(): number[] {
    return this.#servers.map(({ pid }) => pid);
  }

  async figures(): Promise<RedisFigures> {
    const texts = await Promise.all(this.#servers.map((server) => server.client().info()));
    const sum = (field: string) =>
      texts.reduce(
        (total, text) => total + Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(text)?.[1] ?? 0),
        0,
      );
    return {
      connections: sum('connected_clients'),
      channels: sum('pubsub_channels'),
      commands: sum('total_commands_processed'),
      usedBytes: sum('used_memory'),
      endedForSlowReading: this.#servers
        .map(({ directory }) => readFileSync(`${directory}/log`, 'latin1'))
        .reduce((total, log) => total + (log.match(/overcoming of output buffer limits/g)?.length ?? 0), 0),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}
