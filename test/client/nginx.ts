import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endServer, startServer } from '../child-processes.js';
import { findOrInstall } from '../debian-package.js';
import { freePort } from '../free-port.js';
import { isOpen } from '../open-port.js';

/** Options that clients notice, besides the location. */
export interface NginxFront {
  /** Of `location`: `/` by default, or a prefix such as `/push/`. */
  path?: string;
  /** Further locations, as they stand in a configuration. */
  locations?: string;
  /** With TLS, where given. */
  certificate?: { certFile: string; keyFile: string };
}

/** nginx of Debian in front of a gateway, with a configuration of its own. */
export class Nginx {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(url: string, child: ChildProcess, directory: string) {
    this.url = url;
    this.#child = child;
    this.#directory = directory;
  }

  /** @param location what stands in `location / { }` besides proxy_pass; `gzip` and the like may stand there, too */
  static async start(
    path: string,
    target: string,
    location: string,
    probe = '/numbers',
    front: NginxFront = {},
  ): Promise<Nginx> {
    const directory = mkdtempSync(join(tmpdir(), 'encke-nginx-'));
    const port = await freePort();
    const file = join(directory, 'nginx.conf');
    writeFileSync(file, configuration(directory, port, target, location, front));
    const url = `${front.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
    const args = ['-c', file, '-e', join(directory, 'error.log')];
    const child = await startServer('nginx', path, args, async () => {
      if (front.certificate !== undefined) return isOpen(port); // this process does not know its authority
      return (await fetch(url + probe).catch(() => undefined))?.status === 200;
    });
    return new Nginx(url, child, directory);
  }

  async stop(): Promise<void> {
    await endServer(this.#child);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export function findNginx() {
  return findOrInstall('nginx', 'nginx');
}

/** One process in the foreground, which writes nowhere but into its own directory. */
function configuration(
  directory: string,
  port: number,
  target: string,
  location: string,
  { path = '/', locations = '', certificate }: NginxFront,
): string {
  const tls =
    certificate === undefined
      ? ''
      : `ssl_certificate ${certificate.certFile}; ssl_certificate_key ${certificate.keyFile};`;
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
master_process off;
pid ${directory}/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  ${bodies.map((name) => `${name}_temp_path ${directory}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port}${tls === '' ? '' : ' ssl'};
    ${tls}
    location ${path} {
      proxy_pass ${target};
      ${location}
    }
    ${locations}
  }
}
`;
}
