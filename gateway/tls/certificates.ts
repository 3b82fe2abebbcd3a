import { type Stats as FileStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { readNamed } from '../../redis-access/named-file.js';
import { ticksPerSec } from '../clock.js';
import type { Config } from '../config.js';
import { ConfigError, readingFiles } from '../config-error.js';
import { digestOfFile } from '../file-digest.js';
import { type Certificate, CertificateError, type CertificateFiles, readCertificate } from './certificate.js';

/** The files are looked at this often. */
const lookTicks = 2 * ticksPerSec;
const dayMs = 24 * 60 * 60 * 1000;
/** A certificate is renewed earlier than this: Let's Encrypt's have 30 days left then, those of 6 days a third of them. */
const soonMs = 14 * dayMs;
const soonShare = 0.25;

/** Makes new certificates ready for a listener. @returns a function that takes them, and cannot fail */
export type Renewal = (certificates: readonly Certificate[]) => () => void;

/**
 * The certificates of the listeners with TLS. Looks at their files now and then, through symbolic links, and hands new
 * ones to the listeners. Files that cannot be used, such as a new certificate whose key is not there yet, leave the old
 * ones in use.
 */
export class Certificates {
  #files: readonly CertificateFiles[];
  #paths: readonly string[];
  readonly #alsoLookedAt: readonly string[];
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #renewals: Renewal[] = [];
  #current: readonly Certificate[];
  /** The state of the files when they were read. */
  #seen: string;
  /** A hash of what was in them. */
  #content: string | undefined;
  /** In this state the files cannot be used. */
  #unusable: { readonly seen: string; isLogged: boolean } | undefined;
  #ticks = 0;
  #looking = false;
  #warnedAtMs = 0;
  renewed = 0;
  rejected = 0;

  /**
   * @param alsoLookedAt files that listeners read together with these
   * @throws ConfigError when a file cannot be used
   */
  constructor(
    files: readonly CertificateFiles[],
    log: Logger,
    { alsoLookedAt = [], now = Date.now }: { alsoLookedAt?: readonly string[]; now?: () => number } = {},
  ) {
    this.#alsoLookedAt = alsoLookedAt;
    this.#paths = pathsOf(files, alsoLookedAt);
    this.#files = files;
    this.#log = log;
    this.#now = now;
    this.#seen = stateOfAll(this.#paths);
    this.#content = contentOf(this.#paths);
    this.#current = certificatesIn(files);
    this.#warnOfExpiry();
  }

  get current(): readonly Certificate[] {
    return this.#current;
  }

  /** The first certificate ends at this time, in seconds since 1970. */
  get expiresAtSec(): number {
    return Math.round(Math.min(...this.#current.map(({ expiresAtMs }) => expiresAtMs)) / 1000);
  }

  onRenewed(renewal: Renewal): void {
    this.#renewals.push(renewal);
  }

  /**
   * Reads the certificates of other files, and makes the listeners ready for them.
   * @returns a function that takes them, and cannot fail
   * @throws ConfigError when a file cannot be used
   */
  replaced(files: readonly CertificateFiles[]): () => void {
    const paths = pathsOf(files, this.#alsoLookedAt);
    const seen = stateOfAll(paths);
    const content = contentOf(paths);
    const read = certificatesIn(files);
    const take = this.#renewals.map((renewal) => renewal(read));
    return () => {
      for (const each of take) each();
      this.#files = files;
      this.#paths = paths;
      this.#taken(read, seen, content);
    };
  }

  stats(): Record<string, number> {
    return { expiresAtSec: this.expiresAtSec, renewed: this.renewed, rejected: this.rejected };
  }

  /** The sweeper calls it in each tick. */
  tick(): void {
    if (this.#ticks++ % lookTicks !== 0 || this.#looking) return;
    this.#looking = true;
    this.#look().finally(() => {
      this.#looking = false;
    });
  }

  async #look(): Promise<void> {
    const states = await Promise.all(
      this.#paths.map(async (path) => stateOf(await stat(path).catch(() => undefined))),
    );
    const seen = states.join(' ');
    if (seen !== this.#seen) this.#read(seen);
    this.#warnOfExpiry();
  }

  #read(seen: string): void {
    const content = contentOf(this.#paths);
    if (content !== undefined && content === this.#content) {
      // Touched, or written again: uWS never frees the app that new certificates would take.
      this.#seen = seen;
      this.#unusable = undefined;
      return;
    }
    try {
      const read = this.#files.map(readCertificate);
      const take = this.#renewals.map((renewal) => renewal(read));
      for (const each of take) each();
      this.#taken(read, seen, content);
    } catch (error) {
      this.#reject(seen, error as Error);
      return;
    }
    const certificates = this.#current.map(describe);
    this.#log.info(
      { certificates },
      'new certificates: connections from now on get them, and open ones stay',
    );
  }

  /** The listeners have new certificates now. */
  #taken(certificates: readonly Certificate[], seen: string, content: string | undefined): void {
    this.#current = certificates;
    this.#seen = seen;
    this.#content = content;
    this.#unusable = undefined;
    this.#warnedAtMs = 0;
    this.renewed++;
  }

  /** A key often comes a moment after its certificate: a line is written when it has not come until the next look. */
  #reject(seen: string, { message }: Error): void {
    if (this.#unusable?.seen !== seen) {
      this.#unusable = { seen, isLogged: false };
      return;
    }
    if (this.#unusable.isLogged) return;
    this.#unusable.isLogged = true;
    this.rejected++;
    this.#log.error(
      { problem: message, certificates: this.#current.map(describe) },
      'the new files of --tls-cert-file and --tls-key-file cannot be used: the certificates before them stay in use',
    );
  }

  /** Warns of certificates that end soon, at most once a day. */
  #warnOfExpiry(): void {
    const nowMs = this.#now();
    if (nowMs - this.#warnedAtMs < dayMs) return;
    const ending = this.#current.filter((certificate) => endsSoon(certificate, nowMs));
    if (ending.length === 0) return;
    this.#warnedAtMs = nowMs;
    const certificates = ending.map(describe);
    if (ending.some(({ expiresAtMs }) => expiresAtMs <= nowMs))
      this.#log.error({ certificates }, 'a certificate has expired: clients refuse to connect, renew it');
    else this.#log.warn({ certificates }, 'a certificate expires soon: renew it');
  }
}

function pathsOf(files: readonly CertificateFiles[], alsoLookedAt: readonly string[]): readonly string[] {
  return [...files.flatMap(({ certFile, keyFile }) => [certFile, keyFile]), ...alsoLookedAt];
}

function stateOfAll(paths: readonly string[]): string {
  return paths.map((path) => stateIn(() => statSync(path))).join(' ');
}

/** @throws ConfigError when a file cannot be used */
function certificatesIn(files: readonly CertificateFiles[]): readonly Certificate[] {
  try {
    return files.map(readCertificate);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new ConfigError(`--tls-cert-file, --tls-key-file: ${error.message}`, { cause: error });
  }
}

function stateIn(look: () => FileStats): string {
  try {
    return stateOf(look());
  } catch {
    return stateOf(undefined);
  }
}

/** The text is another one when the file was written, or another file was put in its place. */
function stateOf(found: FileStats | undefined): string {
  return found === undefined ? 'none' : `${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}`;
}

/** @returns a hash of what is in the files; undefined where one cannot be read */
function contentOf(paths: readonly string[]): string | undefined {
  const digests = paths.map(digestOfFile);
  return digests.includes(undefined) ? undefined : digests.join(' ');
}

function endsSoon({ startsAtMs, expiresAtMs }: Certificate, nowMs: number): boolean {
  return expiresAtMs - nowMs < Math.min(soonMs, (expiresAtMs - startsAtMs) * soonShare);
}

function describe({ certFile, names, expiresAtMs }: Certificate): Record<string, unknown> {
  return { file: certFile, names, expiresAt: new Date(expiresAtMs).toISOString() };
}

export function certificateFilesOf({
  tlsCertFile,
  tlsKeyFile,
}: Pick<Config, 'tlsCertFile' | 'tlsKeyFile'>): readonly CertificateFiles[] {
  return tlsCertFile.map((certFile, at) => ({ certFile, keyFile: tlsKeyFile[at]! }));
}

/** The certificates of the settings, where a listener has TLS. @throws ConfigError when a file cannot be used */
export function certificatesOf(config: Config, log: Logger): Certificates {
  const files = certificateFilesOf(config);
  const { tlsClientCaFile } = config;
  if (tlsClientCaFile === '') return new Certificates(files, log);
  readingFiles(() => readNamed('--tls-client-ca-file', tlsClientCaFile));
  return new Certificates(files, log, { alsoLookedAt: [tlsClientCaFile] });
}
