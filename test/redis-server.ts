import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { killAtExit } from './child-processes.js';
import { findOrInstall } from './debian-package.js';
import { freePort } from './free-port.js';
import { until } from './until.js';

/** A real redis-server in a process of its own, on a free port, for tests and benchmarks. */

export interface RedisServerOptions {
  /** Write each command to a file, flushed every second, and come back with it. Default false: only what SAVE wrote. */
  appendonly?: boolean;
  /** For example '10mb'. */
  maxmemory?: string;
  /** Lines of `ACL SETUSER` without these two words: 'sender on >secret ~encke:* +fcall'. */
  acl?: readonly string[];
  /** Follow this server. */
  replicaOf?: RedisServer;
  /** A Sentinel, alone in its vote, that watches this server under the name `mymaster`. */
  watches?: RedisServer;
  /** Default: a free one. */
  port?: number;
  /** A node of a Redis Cluster. */
  cluster?: boolean;
  /** Further directives for its configuration file, one a line. */
  configuration?: string;
  /** Pin to this core. */
  cpu?: number;
}

export class RedisServer {
  readonly port: number;
  /** Its data lies here, in `data`, and what it logs, in `log`. */
  readonly directory: string;
  readonly #command: string[];
  readonly #clients: Redis[] = [];
  #child: ChildProcess;

  private constructor(command: string[], directory: string, port: number, child: ChildProcess) {
    this.#command = command;
    this.directory = directory;
    this.port = port;
    this.#child = child;
  }

  /** @throws Error with a sentence where there is no redis-server and none can be installed */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const found = await findOrInstall('redis-server', 'redis-server');
    if ('missing' in found) throw new Error(found.missing);
    const port = options.port ?? (await freePort());
    const directory = mkdtempSync(join(tmpdir(), 'encke-redis-'));
    const file = join(directory, 'redis.conf');
    mkdirSync(join(directory, 'data'));
    // Without this the node takes port + 10,000 as well, which may be the local port of some connection.
    const cluster = options.cluster ? ['cluster-enabled yes', `cluster-port ${await freePort()}`] : [];
    writeFileSync(file, [configuration(directory, port, options), ...cluster, ''].join('\n'));
    const pinned = options.cpu === undefined ? [] : ['taskset', '-c', String(options.cpu)];
    const command = [...pinned, found.path, file, ...(options.watches === undefined ? [] : ['--sentinel'])];
    const server = new RedisServer(command, directory, port, launch(command));
    await server.#answers();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** A connection of its own, which ends with the server. It speaks RESP3, and never gives up. */
  client(options: { username?: string; password?: string; enableReadyCheck?: boolean } = {}): Redis {
    const client = new Redis({
      port: this.port,
      host: '127.0.0.1',
      protocol: 3,
      maxRetriesPerRequest: null,
      retryStrategy: () => 20,
      ...options,
    });
    client.on('error', () => {}); // while the server is away
    this.#clients.push(client);
    return client;
  }

  /** From now on, and when it is started again, it is a replica of that one; without one, a master. */
  async follow(master?: RedisServer): Promise<void> {
    const client = this.client();
    await client.call(
      'REPLICAOF',
      ...(master === undefined ? ['NO', 'ONE'] : ['127.0.0.1', `${master.port}`]),
    );
    await client.call('CONFIG', 'REWRITE');
    client.disconnect();
  }

  /** From now on this process may end, and the server with it. */
  unref(): void {
    this.#child.unref();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** It stands still, and its connections stay. */
  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  /** As when the process dies: what it had not written is lost. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  /** On the same port, with what it has in files. */
  async restart(): Promise<void> {
    await this.kill();
    this.#child = launch(this.#command);
    await this.#answers();
  }

  /** On the same port, with nothing: no keys and no functions. */
  async restartEmpty(): Promise<void> {
    await this.kill();
    this.#replaceData(undefined);
    await this.restart();
  }

  /** Has it write what it knows now, to come back to; it runs on. @returns a directory beside its data */
  async save(): Promise<string> {
    const saved = join(this.directory, `saved-${process.hrtime.bigint()}`);
    const client = this.client();
    await client.call('SAVE');
    client.disconnect();
    cpSync(join(this.directory, 'data'), saved, { recursive: true });
    return saved;
  }

  /** As when the machine lost power before what came later was on the disk, or an operator restores a backup. */
  async restartFrom(saved: string): Promise<void> {
    await this.kill();
    this.#replaceData(saved);
    await this.restart();
  }

  /** For good. */
  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #lastWords(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8').slice(-1_000);
  }

  #replaceData(saved: string | undefined): void {
    const data = join(this.directory, 'data');
    rmSync(data, { recursive: true, force: true });
    if (saved === undefined) mkdirSync(data);
    else cpSync(saved, data, { recursive: true });
  }

  async #answers(): Promise<void> {
    await until('redis-server answers', async () => {
      if (this.#child.exitCode !== null) throw new Error(`redis-server ended: ${this.#lastWords()}`);
      return answers(this.port);
    });
  }
}

/** A server that has loaded its data answers PONG, or asks for a login. */
async function answers(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    socket.write('PING\r\n');
    const [answer] = await once(socket, 'data');
    return /^(\+PONG|-NOAUTH|-MASTERDOWN)/.test(String(answer));
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function configuration(directory: string, port: number, options: RedisServerOptions): string {
  const { appendonly = false, maxmemory, acl = [], replicaOf, watches } = options;
  const common = [`port ${port}`, 'bind 127.0.0.1', `dir "${directory}/data"`, `logfile "${directory}/log"`];
  if (watches !== undefined)
    return [
      ...common,
      `sentinel monitor mymaster 127.0.0.1 ${watches.port} 1`,
      'sentinel down-after-milliseconds mymaster 1000',
      'sentinel failover-timeout mymaster 10000',
      options.configuration ?? '',
      '',
    ].join('\n');
  return [
    ...common,
    'save ""',
    `appendonly ${appendonly ? 'yes' : 'no'}`,
    'repl-diskless-sync-delay 0', // a replica begins at once, not after 5 s
    'shutdown-timeout 0',
    ...(maxmemory === undefined ? [] : [`maxmemory ${maxmemory}`]),
    ...acl.map((rule) => `user ${rule}`),
    ...(replicaOf === undefined ? [] : [`replicaof 127.0.0.1 ${replicaOf.port}`]),
    options.configuration ?? '',
    '',
  ].join('\n');
}

function launch(command: string[]): ChildProcess {
  const child = spawn(command[0]!, command.slice(1), { stdio: 'ignore' });
  killAtExit(child);
  return child;
}
