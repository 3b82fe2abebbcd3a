import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAtExit } from './child-processes.js';
import { findOrInstall } from './debian-package.js';
import { freePort } from './free-port.js';
import { until } from './until.js';

/** A real slapd (OpenLDAP) in a process of its own, on a free port, with the users that a test gives it. */

export interface LdapUser {
  /** Value of `uid`. */
  readonly uid: string;
  /** Value of `userPassword`, in plain text. Undefined: it has none. */
  readonly password?: string;
}

const suffix = 'dc=example,dc=com';

export class LdapServer {
  /** What names of users look like there. */
  static readonly bindName = `uid=%u,ou=people,${suffix}`;
  readonly port: number;
  readonly #directory: string;
  readonly #path: string;
  #child: ChildProcess;

  private constructor(path: string, directory: string, port: number) {
    this.#path = path;
    this.#directory = directory;
    this.port = port;
    this.#child = this.#launch();
  }

  /** @throws Error with a sentence where there is no slapd and none can be installed */
  static async start(users: readonly LdapUser[]): Promise<LdapServer> {
    const found = await findOrInstall('slapd', 'slapd');
    if ('missing' in found) throw new Error(found.missing);
    const directory = mkdtempSync(join(tmpdir(), 'encke-ldap-'));
    mkdirSync(join(directory, 'data'));
    writeFileSync(join(directory, 'slapd.conf'), configuration(directory));
    writeFileSync(join(directory, 'users.ldif'), ldifOf(users));
    const load = ['-T', 'add', '-f', join(directory, 'slapd.conf'), '-l', join(directory, 'users.ldif')];
    const loaded = spawnSync(found.path, load, { encoding: 'utf8' });
    if (loaded.status !== 0) throw new Error(`slapd has not loaded the users: ${loaded.stderr}`);
    const server = new LdapServer(found.path, directory, await freePort());
    await server.#answers();
    return server;
  }

  get url(): string {
    return `ldap://127.0.0.1:${this.port}`;
  }

  /** It keeps its connections and answers nothing. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  async restart(): Promise<void> {
    this.#child = this.#launch();
    await this.#answers();
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #launch(): ChildProcess {
    // With -d it stays in the foreground.
    const flags = ['-d', '0', '-f', join(this.#directory, 'slapd.conf'), '-h', this.url];
    const child = spawn(this.#path, flags, { stdio: 'ignore' });
    killAtExit(child);
    return child;
  }

  #answers(): Promise<void> {
    return until('slapd listens', async () => {
      const socket = createConnection(this.port, '127.0.0.1');
      const opened = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      socket.destroy();
      return opened;
    });
  }
}

function configuration(directory: string): string {
  return `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${join(directory, 'pid')}
allow bind_anon_cred bind_anon_dn
database mdb
suffix "${suffix}"
directory ${join(directory, 'data')}
`;
}

function ldifOf(users: readonly LdapUser[]): string {
  const entries = users.map(({ uid, password }) =>
    [
      `dn: uid=${uid.replace(/[,+"\\<>;=#]/g, '\\$&')},ou=people,${suffix}`,
      'objectClass: inetOrgPerson',
      `uid: ${uid}`,
      `cn: ${uid}`,
      `sn: ${uid}`,
      ...(password === undefined ? [] : [`userPassword:: ${Buffer.from(password).toString('base64')}`]),
    ].join('\n'),
  );
  const root = `dn: ${suffix}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example`;
  const people = `dn: ou=people,${suffix}\nobjectClass: organizationalUnit\nou: people`;
  return `${[root, people, ...entries].join('\n\n')}\n`;
}
