import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAtExit } from '../child-processes.js';
import { findOrInstall } from '../debian-package.js';
import { freePort } from '../free-port.js';
import { until } from '../until.js';

/** HAProxy of Debian in front of a gateway. */
export class Haproxy {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(port: number, child: ChildProcess, directory: string) {
    this.port = port;
    this.#child = child;
    this.#directory = directory;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /**
   * @param targetPort of the gateway, which need not be there yet
   * @param frontend further lines of the frontend
   * @param backend further lines of the backend
   */
  static async start(
    path: string,
    targetPort: number,
    { frontend = '', backend = '' }: { frontend?: string; backend?: string } = {},
  ): Promise<Haproxy> {
    const directory = mkdtempSync(join(tmpdir(), 'encke-haproxy-'));
    const port = await freePort();
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(file, configuration(port, targetPort, frontend, backend));
    const child = spawn(path, ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    killAtExit(child);
    let said = '';
    child.stderr!.on('data', (text) => {
      said += text;
    });
    await until('HAProxy answers', async () => {
      if (child.exitCode !== null) throw new Error(`HAProxy ended: ${said}`);
      return (await fetch(`http://127.0.0.1:${port}/numbers`).catch(() => undefined)) !== undefined;
    });
    return new Haproxy(port, child, directory);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export function findHaproxy() {
  return findOrInstall('haproxy', 'haproxy');
}

/** In the foreground, one thread, writing nowhere. */
function configuration(port: number, targetPort: number, frontend: string, backend: string): string {
  return `
global
  maxconn 4000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend public
  bind 127.0.0.1:${port}
  ${frontend.replaceAll('\n', '\n  ')}
  default_backend encke
backend encke
  ${backend.replaceAll('\n', '\n  ')}
  server encke 127.0.0.1:${targetPort}
`;
}
