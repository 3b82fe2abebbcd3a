import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAtExit } from './child-processes.js';
import { findOrInstall } from './debian-package.js';
import { freePort } from './free-port.js';
import { until } from './until.js';

/** A real nats-server in a process of its own, on a free port, for tests and benchmarks. */

export interface NatsServerOptions {
  /** Keep streams; in a directory that goes with the server. Default true. */
  jetStream?: boolean;
  /** Default: a free one. */
  port?: number;
  /** What else stands in its configuration file. */
  configuration?: string;
  /** Pin to this core. */
  cpu?: number;
}

export class NatsServer {
  readonly port: number;
  readonly directory: string;
  readonly #command: string[];
  #child: ChildProcess;

  private constructor(command: string[], directory: string, port: number, child: ChildProcess) {
    this.#command = command;
    this.directory = directory;
    this.port = port;
    this.#child = child;
  }

  /** @throws Error with a sentence where there is no nats-server and none can be installed */
  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const found = await findOrInstall('nats-server', 'nats-server');
    if ('missing' in found) throw new Error(found.missing);
    const port = options.port ?? (await freePort());
    const directory = mkdtempSync(join(tmpdir(), 'encke-nats-'));
    const file = join(directory, 'nats.conf');
    writeFileSync(file, configuration(directory, port, options));
    const pinned = options.cpu === undefined ? [] : ['taskset', '-c', String(options.cpu)];
    const command = [...pinned, found.path, '-c', file];
    const server = new NatsServer(command, directory, port, launch(command));
    await server.#answers();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** From now on this process may end, and the server with it. */
  unref(): void {
    this.#child.unref();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** As when the machine dies. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  /** On the same port, with what it has kept in files. */
  async restart(): Promise<void> {
    await this.kill();
    this.#child = launch(this.#command);
    await this.#answers();
  }

  /** What it has in files now, to come back to. @returns a directory beside them */
  async save(): Promise<string> {
    const saved = join(this.directory, 'saved');
    await this.kill();
    cpSync(join(this.directory, 'jetstream'), saved, { recursive: true });
    await this.restart();
    return saved;
  }

  /** As when the machine lost power before what came later was on the disk. */
  async restartFrom(saved: string): Promise<void> {
    await this.kill();
    rmSync(join(this.directory, 'jetstream'), { recursive: true });
    cpSync(saved, join(this.directory, 'jetstream'), { recursive: true });
    await this.restart();
  }

  /** For good. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #answers(): Promise<void> {
    await until('nats-server answers', async () => {
      if (this.#child.exitCode !== null) throw new Error(`nats-server ended with ${this.#child.exitCode}`);
      return answers(this.port);
    });
  }
}

function configuration(directory: string, port: number, options: NatsServerOptions): string {
  const { jetStream = true } = options;
  return `
listen: "127.0.0.1:${port}"
${jetStream ? `jetstream { store_dir: "${directory}/jetstream" }` : ''}
${options.configuration ?? ''}
`;
}

function launch(command: string[]): ChildProcess {
  const child = spawn(command[0]!, command.slice(1), { stdio: 'ignore' });
  killAtExit(child);
  return child;
}

async function answers(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    const [greeting] = await once(socket, 'data');
    return String(greeting).startsWith('INFO ');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
