import { pino } from 'pino';
import type { Test } from 'tap';
import type { AuthenticationResult, Authenticator, Credentials } from '../../../access/authenticator.js';
import type { Identity } from '../../../access/identity.js';
import { type Rule, Rules } from '../../../access/rules.js';
import { readConfig } from '../../../gateway/config.js';
import { Gateway } from '../../../gateway/gateway.js';
import { History } from '../../../router/history/history.js';
import { Router } from '../../../router/index.js';
import type { Reachable } from '../../conformance/mqtt-3.1.1/server.js';
import { until } from '../../until.js';
import { ask, basic, bearer, Wire } from '../raw-wire.js';

/** A gateway in this process, whose authenticator is the test's. */

export interface RunningGateway extends Reachable {
  readonly gateway: Gateway;
  readonly apiPort: number;
  /** Its log lines so far. */
  readonly log: () => string;
}

export async function startInProcess(
  authenticators: readonly Authenticator[],
  flags: Record<string, unknown> = {},
): Promise<RunningGateway> {
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
  const config = readConfig({ flags: { port: 0, apiPort: 0, drainSec: 0, ...flags } });
  const numbers = { pendingBytes: 0, droppedLines: 0 };
  const gateway = new Gateway(new Router(), config, log, 'both', numbers, authenticators);
  await gateway.start();
  return { gateway, ...gateway.ports, arrived: async () => {}, log: () => lines.join('') };
}

/** Starts a gateway until the test ends, whose authenticator gives this answer. */
export async function startFor(t: Test, answer: TestAuthenticator['answer'], flags: Record<string, unknown>) {
  const authenticator = new TestAuthenticator(answer);
  const running = await startInProcess([authenticator], flags);
  t.teardown(() => running.gateway.stop());
  return { authenticator, running };
}

/** Sends a message with the token `root`; the gateway must take it. */
export async function sendAsRoot(t: Test, apiPort: number, id: string, text: string): Promise<void> {
  const sent = await ask(apiPort, `/send/${id}`, { method: 'POST', body: text, ...bearer('root') });
  t.equal(sent.status, 200);
}

/**
 * Asks for paths, each as a user, in lines such as `/stream/a alice`, and holds the history that is read for them.
 * @returns the requests, once it is read for all; and a function that lets it come, and gives the status of each answer
 */
export async function askWithoutHistory(t: Test, port: number, lines: readonly string[]) {
  const { prepare } = History.prototype;
  t.teardown(() => {
    History.prototype.prepare = prepare;
  });
  const held: (() => void)[] = [];
  History.prototype.prepare = (_ids, _from, ready) => void held.push(ready);
  const asked = await Promise.all(
    lines.map(async (line) => {
      const [path, user] = line.split(' ') as [string, string];
      const wire = await Wire.open(port);
      t.teardown(() => wire.close());
      wire.ask(path, basic(user, 'x'));
      return wire;
    }),
  );
  await until('history is read for all', () => held.length === lines.length);
  return {
    asked,
    async answers(): Promise<number[]> {
      for (const ready of held) ready();
      await until('all are answered', () => asked.every(({ head }) => head !== ''));
      return asked.map(({ status }) => status);
    },
  };
}

/** The numbers of `/stats`. */
// biome-ignore lint/suspicious/noExplicitAny: which numbers there are is for the tests to say
export function statsOf({ gateway }: RunningGateway): any {
  return gateway.stats.all();
}

/** Answers when and what the test says. */
export class TestAuthenticator implements Authenticator {
  readonly name = 'test';
  readonly takesPasswords = true;
  /** The credentials that it was asked about, oldest first. */
  readonly asked: Credentials[] = [];
  answer: (credentials: Credentials) => AuthenticationResult | Promise<AuthenticationResult>;
  readonly #waiting: ((result: AuthenticationResult) => void)[] = [];

  constructor(answer: TestAuthenticator['answer'] = () => ({ outcome: 'unknown' })) {
    this.answer = answer;
  }

  authenticate(credentials: Credentials): AuthenticationResult | Promise<AuthenticationResult> {
    this.asked.push(credentials);
    return this.answer(credentials);
  }

  /** From now on it answers only when `release` is called. */
  wait(): void {
    this.answer = () => new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Tells the gateway that users have changed. */
  changed: () => void = () => {
    throw new Error('no gateway listens to changes');
  };

  watch(onChange: () => void): void {
    this.changed = onChange;
  }

  commonRules: readonly Rule[] = [];

  /** Gives the identity that a user has now; undefined where the user is gone. */
  renew: (identity: Identity) => Identity | undefined = (identity) => identity;

  /** The names of users that were revoked, oldest first. */
  readonly revoked: (string | undefined)[] = [];

  revoke(userName: string | undefined): void {
    this.revoked.push(userName);
  }

  /** Answers all that wait. */
  release(result: AuthenticationResult): void {
    for (const resolve of this.#waiting.splice(0)) resolve(result);
  }
}

/** A user that may do this and nothing else. */
export function userWith(userName: string, ...rules: Rule[]): Identity {
  return { userName, isSuperuser: false, rules: Rules.inOrder(rules), expiresAtMs: undefined };
}

export function accepted(identity: Identity): AuthenticationResult {
  return { outcome: 'accepted', identity };
}
