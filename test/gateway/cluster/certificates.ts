import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Certificates of an authority that exists for one test, made by openssl. */
export class Authority {
  readonly #directory: string;
  readonly #name: string;
  /** The certificate that all others are signed with. */
  readonly file: string;

  constructor(directory: string, name: string) {
    this.#directory = directory;
    this.#name = name;
    this.file = join(directory, `${name}.pem`);
    const own = ['-x509', '-days', '2', '-subj', `/CN=${name}`, '-keyout', this.#keyFile, '-out', this.file];
    openssl('req', ...newKey, ...own);
  }

  get #keyFile(): string {
    return join(this.#directory, `${this.#name}-key.pem`);
  }

  /** Good for clients and servers. @param names that it is for @param days 0: it has expired */
  issue(name: string, names = 'IP:127.0.0.1', days = 2): { certFile: string; keyFile: string } {
    const path = (suffix: string) => join(this.#directory, `${this.#name}-${name}${suffix}`);
    const certFile = path('.pem');
    const keyFile = path('-key.pem');
    openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', path('.csr'));
    const extensions = path('.ext');
    writeFileSync(extensions, `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    const signer = ['-CA', this.file, '-CAkey', this.#keyFile, '-CAcreateserial', '-days', `${days}`];
    openssl('x509', '-req', '-in', path('.csr'), ...signer, '-extfile', extensions, '-out', certFile);
    return { certFile, keyFile };
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
