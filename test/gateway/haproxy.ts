import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAtExit } from '../child-processes.js';
import { findOrInstall } from '../debian-package.js';
import { freePort } from '../free-port.js';
import { isOpen } from '../open-port.js';
import { until } from '../until.js';

/** HAProxy of Debian in front of a gateway, with a configuration of its own. */
export class Haproxy {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(port: number, child: ChildProcess, directory: string) {
    this.port = port;
    this.#child = child;
    this.#directory = directory;
  }

  /** @param front lines of its frontend, such as `http-request replace-path …` */
  static async start(
    path: string,
    targetPort: number,
    front: string,
    certificate?: { certFile: string; keyFile: string },
  ): Promise<Haproxy> {
    const directory = mkdtempSync(join(tmpdir(), 'encke-haproxy-'));
    const port = await freePort();
    let tls = '';
    if (certificate !== undefined) {
      const both = join(directory, 'certificate-and-key.pem');
      writeFileSync(
        both,
        readFileSync(certificate.certFile, 'utf8') + readFileSync(certificate.keyFile, 'utf8'),
      );
      tls = ` ssl crt ${both}`;
    }
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(file, configuration(port, tls, front, targetPort));
    const child = spawn(path, ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    killAtExit(child);
    let said = '';
    child.stderr!.on('data', (text) => {
      said += text;
    });
    await until('HAProxy answers', () => {
      if (child.exitCode !== null) throw new Error(`HAProxy ended: ${said}`);
      return isOpen(port);
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

function configuration(port: number, tls: string, front: string, targetPort: number): string {
  return `
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  timeout tunnel 120s
frontend clients
  bind 127.0.0.1:${port}${tls}
  ${front}
  default_backend encke
backend encke
  server encke 127.0.0.1:${targetPort}
`;
}
