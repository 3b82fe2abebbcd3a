import {
  type ConnectOptions,
  connect,
  type EnckeConnection,
  type Loss,
  type State,
  type StateDetail,
} from '../../client/index.js';
import { until } from '../until.js';

/** The client with a record of all that it was told. */
export class Listener {
  readonly texts: string[] = [];
  readonly losses: Loss[] = [];
  readonly states: [State, StateDetail][] = [];
  readonly errors: Error[] = [];
  recoveries = 0;
  readonly connection: EnckeConnection;

  constructor(url: string, ids: string | readonly string[], options: Partial<ConnectOptions> = {}) {
    this.connection = connect(url, ids, {
      onMessage: ({ data }) => this.texts.push(String(data)),
      onRecovered: () => this.recoveries++,
      onLost: (loss) => this.losses.push(loss),
      onState: (state, detail) => this.states.push([state, detail]),
      onError: (error) => this.errors.push(error),
      ...options,
    });
  }

  async open(): Promise<this> {
    await until('the client is open', () => this.connection.state === 'open', 20_000);
    return this;
  }

  /** Waits for the last of them. */
  async has(count: number, timeoutMs = 20_000): Promise<void> {
    await until(`${count} messages are there`, () => this.texts.length >= count, timeoutMs).catch((error) => {
      throw new Error(`${error.message}; there are ${this.texts.length}, in state ${this.connection.state}`);
    });
  }

  /** How often it was open. */
  get openings(): number {
    return this.states.filter(([state]) => state === 'open').length;
  }

  /** The waits that it announced. */
  get delaysMs(): number[] {
    return this.states.flatMap(([, { delayMs }]) => (delayMs === undefined ? [] : [delayMs]));
  }
}

/** '1' to count: what a listener has that missed nothing, and got nothing twice. */
export function countedTo(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i + 1));
}
