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
   * @param sections frontends and backends, for ports 80 and 8000
   */
  static async start(path: string, targetPort: number, sections = plainSections): Promise<Haproxy> {
    const directory = mkdtempSync(join(tmpdir(), 'encke-haproxy-'));
    const port = await freePort();
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(file, configuration(port, targetPort, sections));
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

const plainSections = `
frontend public
  bind :80
  default_backend encke
backend encke
  server encke 127.0.0.1:8000
`;

/** In the foreground, one thread, writing nowhere. */
function configuration(port: number, targetPort: number, sections: string): string {
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
${sections.replaceAll('bind :80', `bind 127.0.0.1:${port}`).replaceAll('127.0.0.1:8000', `127.0.0.1:${targetPort}`)}
`;
}
