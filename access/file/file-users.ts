import { createHmac, randomBytes } from 'node:crypto';
import {
  type AuthenticationResult,
  type Authenticator,
  badCredentials,
  type Credentials,
  tooManyChecks,
  unknownUser,
} from '../authenticator.js';
import { type Identity, nobody } from '../identity.js';
import type { IdentityCache } from '../identity-cache.js';
import type { Rule } from '../rules.js';
import type { SlowChecks } from '../slow-checks.js';
import { ClientIdentity, FileIdentity } from './file-identity.js';
import { FileWatch, fileVersionOf } from './file-watch.js';
import { type PasswordInFile, passwordInFileOf } from './password-in-file.js';
import { type FileUser, readUserFile, type UserFile } from './user-file.js';

export interface FileUsersOptions {
  readonly path: string;
  /** Larger files are not read. */
  readonly bytesMax: number;
  readonly cache: IdentityCache;
  readonly slowChecks: SlowChecks;
  /** After this time the client has been answered without this authenticator. */
  readonly timeoutMs: number;
  /** The file has changed and is in use. */
  readonly onRead: (counts: { readonly users: number; readonly clients: number }) => void;
  /** The file has changed and cannot be used: the one before it goes on. */
  readonly onTrouble: (error: unknown) => void;
  /** How often it is looked at. */
  readonly lookEveryMs?: number;
}

/** Users, client ids and rules in a file, which is read again when it changes: whole, or not at all. */
export class FileUsers implements Authenticator {
  readonly name = 'file';
  readonly takesPasswords = true;
  readonly #options: FileUsersOptions;
  readonly #watch: FileWatch;
  #file: UserFile;
  /** Passwords of some users, to compare those of unknown ones with. */
  #decoys: readonly string[];
  #onChange: (() => void) | undefined;

  private constructor(options: FileUsersOptions, file: UserFile, version: string) {
    this.#options = options;
    this.#file = file;
    this.#decoys = decoysOf(file);
    this.#watch = new FileWatch(options.path, version, () => this.#readAgain(), options.lookEveryMs);
  }

  /** @throws UserFileError, or that of the file system */
  static async open(options: FileUsersOptions): Promise<FileUsers> {
    const version = await fileVersionOf(options.path);
    return new FileUsers(options, await readUserFile(options.path, options.bytesMax), version);
  }

  get cache(): IdentityCache {
    return this.#options.cache;
  }

  get commonRules(): readonly Rule[] {
    return this.#file.commonRules;
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange;
  }

  authenticate(credentials: Credentials): AuthenticationResult | Promise<AuthenticationResult> {
    const { userName = '', clientId = '', password } = credentials;
    const { users, clients } = this.#file;
    const user = users.get(userName);
    if (user !== undefined) return this.#checked(user, userName, credentials);
    const client = clients.get(clientId);
    if (client !== undefined) return this.#checked(client, undefined, credentials);
    return password === undefined ? unknownUser : this.#compareWithDecoy(userName, password, credentials);
  }

  renew(identity: Identity): Identity | undefined {
    if (!(identity instanceof FileIdentity)) return identity;
    const now = (identity.isClient ? this.#file.clients : this.#file.users).get(identity.name);
    if (now === identity.user) return identity;
    return now?.password === identity.user.password ? identity.with(now) : undefined;
  }

  recall(reference: string): Identity | undefined {
    const [, kind, name = ''] = /^file (user|client) (.*)$/s.exec(reference) ?? [];
    if (kind === undefined) return undefined;
    const user = (kind === 'user' ? this.#file.users : this.#file.clients).get(name);
    if (user === undefined) return undefined;
    return kind === 'user' ? new FileIdentity(name, user) : new ClientIdentity(name, user);
  }

  async stop(): Promise<void> {
    this.#watch.stop();
  }

  /** @param userName undefined: a client id proves none */
  #checked(
    user: FileUser,
    userName: string | undefined,
    credentials: Credentials,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const { password, clientId = '' } = credentials;
    if (user.password === '') return accepted(user, userName, clientId);
    if (password === undefined) return badCredentials;
    const stored = passwordInFileOf(user.password) as PasswordInFile;
    if (!stored.check.isSlow)
      return stored.check.matches(password, stored.stored, stored.salt) === true
        ? accepted(user, userName, clientId)
        : badCredentials;
    const { cache } = this.#options;
    // The cache knows that this password goes with this hash, and nothing of the user: what it has never outlives a change.
    const cacheKey = cache.keyOf('file', user.password, password);
    if (cache.get(cacheKey) !== undefined) return accepted(user, userName, clientId);
    return this.#compareSlowly(stored, password, credentials).then((matches) => {
      if (matches === undefined) return tooManyChecks;
      if (!matches) return badCredentials;
      cache.set(cacheKey, nobody);
      const { users, clients } = this.#file; // it may have changed meanwhile
      const now = userName === undefined ? clients.get(clientId) : users.get(userName);
      return now?.password === user.password ? accepted(now, userName, clientId) : badCredentials;
    });
  }

  /** Takes as long as for a name in the file: else the time would tell which names there are. */
  #compareWithDecoy(
    userName: string,
    password: Buffer,
    credentials: Credentials,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    if (this.#decoys.length === 0) return unknownUser;
    // The same one each time that a name is tried, as for a name that there is.
    const number = createHmac('sha256', decoySecret).update(userName).digest().readUInt32BE(0);
    const stored = passwordInFileOf(this.#decoys[number % this.#decoys.length]!) as PasswordInFile;
    if (stored.check.isSlow)
      return this.#compareSlowly(stored, password, credentials).then((matches) =>
        matches === undefined ? tooManyChecks : unknownUser,
      );
    stored.check.matches(password, stored.stored, stored.salt);
    return unknownUser;
  }

  #compareSlowly(
    { check, stored, salt }: PasswordInFile,
    password: Buffer,
    { address }: Credentials,
  ): Promise<boolean | undefined> {
    const { slowChecks, timeoutMs } = this.#options;
    return slowChecks.run(address, performance.now() + timeoutMs, () =>
      check.matches(password, stored, salt),
    );
  }

  async #readAgain(): Promise<void> {
    const { path, bytesMax, onRead, onTrouble } = this.#options;
    try {
      this.#file = await readUserFile(path, bytesMax);
      this.#decoys = decoysOf(this.#file);
      onRead({ users: this.#file.users.size, clients: this.#file.clients.size });
      this.#onChange?.();
    } catch (error) {
      onTrouble(error);
    }
  }
}

const decoysMax = 256;
const decoySecret = randomBytes(32);

function decoysOf({ users, clients }: UserFile): readonly string[] {
  const decoys: string[] = [];
  for (const entries of [users, clients]) {
    for (const { password } of entries.values()) {
      if (decoys.length === decoysMax) break;
      if (password !== '') decoys.push(password);
    }
  }
  return decoys;
}

/** @param userName undefined: it was let in by its client id */
function accepted(user: FileUser, userName: string | undefined, clientId: string): AuthenticationResult {
  const identity =
    userName === undefined ? new ClientIdentity(clientId, user) : new FileIdentity(userName, user);
  return { outcome: 'accepted', identity };
}
