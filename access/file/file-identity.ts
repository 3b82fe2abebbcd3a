import type { Identity } from '../identity.js';
import { Rules } from '../rules.js';
import type { FileUser } from './user-file.js';

/** A user of the file. It has its entry there, so that it can be compared with that of a newer file. */
export class FileIdentity implements Identity {
  /** The name of the user, or the client id of a client. */
  readonly name: string;
  readonly user: FileUser;

  constructor(name: string, user: FileUser) {
    this.name = name;
    this.user = user;
  }

  get isClient(): boolean {
    return false;
  }

  get userName(): string | undefined {
    return this.name;
  }

  get isSuperuser(): boolean {
    return this.user.isSuperuser;
  }

  /** Names the entry to other nodes, which have a file of their own: see `FileUsers.recall`. */
  get reference(): string {
    return `file ${this.isClient ? 'client' : 'user'} ${this.name}`;
  }

  get rules(): Rules {
    return this.isSuperuser ? Rules.none : this.user.rules;
  }

  get expiresAtMs(): undefined {
    return undefined;
  }

  /** The same user with its entry of a newer file. */
  with(user: FileUser): FileIdentity {
    return new FileIdentity(this.name, user);
  }
}

/** A client that was let in by its client id, which proves no user name. */
export class ClientIdentity extends FileIdentity {
  override get isClient(): boolean {
    return true;
  }

  override get userName(): undefined {
    return undefined;
  }

  override with(user: FileUser): ClientIdentity {
    return new ClientIdentity(this.name, user);
  }
}
