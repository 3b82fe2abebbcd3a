import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endServer, startServer } from './child-processes.js';
import { findOrInstall } from './debian-package.js';
import { freePort } from './free-port.js';
import { isOpen } from './open-port.js';

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
  static async start(
    path: string,
    targetPort: number,
    sections = plainSections(),
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
    writeFileSync(file, configuration(`127.0.0.1:${port}${tls}`, targetPort, sections));
    const child = await startServer('HAProxy', path, ['-db', '-f', file], () => isOpen(port));
    return new Haproxy(port, child, directory);
  }

  async stop(): Promise<void> {
    await endServer(this.#child);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export function findHaproxy() {
  return findOrInstall('haproxy', 'haproxy');
}

/** @param front lines of the frontend, such as `http-request replace-path …` */
export function plainSections(front = ''): string {
  return `
frontend public
  bind :80
  ${front}
  default_backend encke
backend encke
  server encke 127.0.0.1:8000
`;
}

/** In the foreground, one thread, writing nowhere. */
function configuration(address: string, targetPort: number, sections: string): string {
  return `
global
  maxconn 4000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  timeout tunnel 120s
${sections.replaceAll('127.0.0.1:8000', `127.0.0.1:${targetPort}`).replaceAll('bind :80', `bind ${address}`)}
`;
}
