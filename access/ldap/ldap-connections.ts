import { Client, ResultCodeError } from 'ldapts';
import { AddressTurns } from '../address-turns.js';

export interface LdapConnectionsOptions {
  /** ldap or ldaps. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly connectionsMax: number;
}

/** No connection was free in time. That says nothing of the server: its own clients have all of them. */
export class NoFreeConnectionError extends Error {}

/**
 * Connections to an LDAP server. A bind has one for itself, as it says which user the whole connection belongs to. Where all
 * are in use, addresses of clients take turns.
 */
export class LdapConnections {
  readonly #options: LdapConnectionsOptions;
  readonly #idle: Client[] = [];
  readonly #waiting = new AddressTurns<(client: Client) => void>();
  #count = 0;

  constructor(options: LdapConnectionsOptions) {
    this.#options = options;
  }

  /**
   * @param address of the client
   * @throws ResultCodeError where the server says no; NoFreeConnectionError; another Error where the server says nothing
   */
  async bind(name: string, password: string, address: string): Promise<void> {
    const { timeoutMs } = this.#options;
    const startedMs = performance.now();
    const client = await this.#take(address);
    try {
      // The bind takes up to `timeoutMs` besides: its client would be answered long before.
      if (performance.now() - startedMs > timeoutMs / 2)
        throw new NoFreeConnectionError(`no connection was free within ${timeoutMs / 2} ms`);
      await this.#bindOn(client, name, password);
    } finally {
      this.#giveBack(client);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#idle.splice(0).map((client) => client.unbind()));
  }

  async #bindOn(client: Client, name: string, password: string): Promise<void> {
    const isKept = client.isConnected;
    try {
      await client.bind(name, password);
    } catch (error) {
      if (error instanceof ResultCodeError) throw error;
      await client.unbind().catch(() => undefined); // the next bind connects anew
      // The server may have closed a kept connection in the moment in which it was used.
      if (!isKept || !/closed before/.test((error as Error).message)) throw error;
      await client.bind(name, password);
    }
  }

  async #take(address: string): Promise<Client> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const { url, timeoutMs, connectionsMax } = this.#options;
    if (this.#count >= connectionsMax) return new Promise((resolve) => this.#waiting.push(address, resolve));
    this.#count++;
    return new Client({ url, timeout: timeoutMs, connectTimeout: timeoutMs });
  }

  #giveBack(client: Client): void {
    const next = this.#waiting.next();
    if (next === undefined) this.#idle.push(client);
    else next(client);
  }
}
