/**
 * The global name of a router on NATS, from outside: how to connect, and to ask one thing. What is said there is the
 * tools' own: they share no code with the server that they talk to but how to get in at NATS.
 */
import { connect, errors, type NatsConnection } from '@nats-io/transport-node';
import { type Access, accessOptions, withoutUser } from '../nats-access/access.js';
import { remedyOf } from '../nats-access/remedy.js';
import { asksForTls } from '../nats-access/tls.js';
import { assertUsable } from '../nats-access/tls-files.js';
import { FileError } from '../redis-access/named-file.js';

/** Which NATS, and which router on it. */
export interface NameAddress extends Access {
  readonly name: string;
}

const connectTimeoutMs = 5_000;
/** A router waits for other nodes for a quarter of a second, unless it was told otherwise. */
export const answerTimeoutMs = 5_000;

/** @param lasting comes back by itself when the server does; else the first loss ends it */
export async function connectToNats(address: NameAddress, lasting: boolean): Promise<NatsConnection> {
  if (address.tls !== undefined) assertUsable(address.tls);
  return connect({
    ...accessOptions(address),
    timeout: connectTimeoutMs,
    noAsyncTraces: true,
    reconnect: lasting,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
  });
}

/** @returns the answer's JSON; rejects as `whyNoAnswer` reads it */
export async function askName(nats: NatsConnection, subject: string, body: string): Promise<unknown> {
  const answer = await nats.request(subject, body, { timeout: answerTimeoutMs });
  return answer.json();
}

/** The sentence for a connection to NATS that could not be had. */
export function whyNoNats(address: NameAddress, error: unknown): string {
  if (error instanceof FileError) return error.message;
  const reason = error instanceof Error ? messagesOf(error) : '';
  const overTls = asksForTls(address.servers, address.tls);
  const where = address.servers.map(withoutUser).join(', ');
  return `NATS at ${where} cannot be reached or refuses (${reasonOf(error)}). ${remedyOf(reason, overTls)}`;
}

/** The sentence for a request that was not answered. */
export function whyNoAnswer(address: NameAddress, error: unknown): string {
  const { name } = address;
  const where = address.servers.map(withoutUser).join(', ');
  if (isNobody(error))
    return `Nobody answers to the name "${name}" on NATS at ${where}. Start a router with "encke start --engine nats --name ${name}", or give another name with --name.`;
  if (error instanceof errors.TimeoutError)
    return `A router of "${name}" on NATS at ${where} has not answered within ${answerTimeoutMs / 1000} s: it may have done what it was asked, or not.`;
  return `The request to "${name}" on NATS at ${where} failed (${reasonOf(error)}).`;
}

/** NATS says at once that nobody serves a subject. */
export function isNobody(error: unknown): boolean {
  return error instanceof errors.RequestError && error.isNoResponders();
}

function messagesOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : error;
  return 'code' in cause ? String(cause.code) : error.message;
}
