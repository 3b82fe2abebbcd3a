import type { HttpRequest } from 'uWebSockets.js';
import type { Qos } from '../../router/message.js';
import {
  hasControlCharacter,
  type IdProblem,
  idProblemText,
  isServerTopic,
  problemOfId,
} from '../../router/topic.js';
import type { Config } from '../config.js';
import type { RequestHead } from './front-door.js';

/** Reads ids and options out of requests. Bad input comes back as a sentence, never as an exception. */

/** Limits of an id on this server. */
export type IdLimits = Pick<Config, 'idBytesMax' | 'topicLevelsMax' | 'allowControlCharacters'>;

export type Parsed<T> = { ok: true; value: T } | { ok: false; problem: string };

/** The rest of the path behind `prefix`, percent-decoded, is the id; slashes are part of it. */
export function idsFromPath(request: HttpRequest, prefix: string, limits: IdLimits): Parsed<string[]> {
  const id = idFromPath(request, prefix, limits);
  return id.ok ? { ok: true, value: [id.value] } : id;
}

export function idFromPath(request: HttpRequest, prefix: string, limits: IdLimits): Parsed<string> {
  return checkId(percentDecode(request.getUrl(), prefix.length), limits);
}

export function recipientFromPath(request: HttpRequest, prefix: string, limits: IdLimits): Parsed<string> {
  return checkRecipient(percentDecode(request.getUrl(), prefix.length), limits);
}

/** The ids in all `id` parameters of the query, in order, each once. */
export function idsFromQuery(request: HttpRequest, path: string, limits: IdLimits): Parsed<string[]> {
  const ids = new Set<string>();
  for (const pair of (request.getQuery() ?? '').split('&')) {
    if (!pair.startsWith('id=')) continue;
    const id = checkId(percentDecode(pair.replaceAll('+', ' '), 'id='.length), limits);
    if (!id.ok) return id;
    ids.add(id.value);
  }
  if (ids.size === 0) return { ok: false, problem: `Say which: ${path}/<id> or ${path}?id=<id>&id=<id>.` };
  return { ok: true, value: [...ids] };
}

export function checkId(id: string | undefined, limits: IdLimits): Parsed<string> {
  if (id === undefined) return { ok: false, problem: 'The percent-encoding is broken.' };
  const problem = problemOfId(id, limits.idBytesMax, limits.topicLevelsMax);
  if (problem === undefined) {
    if (limits.allowControlCharacters || !hasControlCharacter(id)) return { ok: true, value: id };
    return { ok: false, problem: 'The id has a control character, which this server refuses.' };
  }
  return { ok: false, problem: `${idProblemText[problem]}${limitText(problem, limits)}` };
}

/** Checks an id that a message is to be sent to. */
export function checkRecipient(id: string | undefined, limits: IdLimits): Parsed<string> {
  const checked = checkId(id, limits);
  if (!checked.ok || !isServerTopic(checked.value)) return checked;
  return { ok: false, problem: 'Only the server itself sends to $SYS and what is under it.' };
}

function limitText(problem: IdProblem, { idBytesMax, topicLevelsMax }: IdLimits): string {
  if (problem === 'too-long') return ` (${idBytesMax} bytes)`;
  return problem === 'too-many-levels' ? ` (${topicLevelsMax})` : '';
}

/** uWS puts U+FFFD where the request line was not UTF-8. A client that means that very character percent-encodes it. */
export function percentDecode(text: string, from: number): string | undefined {
  if (text.includes('\ufffd')) return undefined;
  if (text.indexOf('%', from) === -1) return text.slice(from);
  try {
    return decodeURIComponent(text.slice(from));
  } catch {
    return undefined;
  }
}

/** The options of a message: all but its id and its body. */
export interface SendOptions {
  readonly qos: Qos;
  readonly retain: boolean;
  /** Wait for the count of subscribers that took it, on all nodes. */
  readonly wait: boolean;
  /** Whether it goes to the followers of its id, too; undefined: as --send-to-followers says. */
  readonly followers: boolean | undefined;
}

/**
 * QoS 1 leaves the QoS of a delivery to the subscriber: an HTTP stream or a subscription at QoS 0 costs nothing more by
 * it, and a session that asked for QoS 1 gets what is sent while its client is away.
 */
const asUsual: Parsed<SendOptions> = {
  ok: true,
  value: { qos: 1, retain: false, wait: true, followers: undefined },
};

/** The form of the header Idempotency-Key. */
const keyShape = /^[\x21-\x7e]{1,64}$/;

/** @returns '' where there is none */
export function idempotencyKeyOf({ idempotencyKey }: RequestHead): Parsed<string> {
  if (idempotencyKey === '' || keyShape.test(idempotencyKey)) return { ok: true, value: idempotencyKey };
  return { ok: false, problem: 'An Idempotency-Key is 1 to 64 printable characters without spaces.' };
}

/** `?qos=0|1|2&retain=0|1&wait=0|1&to=id|followers` */
export function optionsFromQuery(request: HttpRequest): Parsed<SendOptions> {
  const query = request.getQuery();
  if (query === undefined || query === '') return asUsual;
  const parameters = new URLSearchParams(query);
  const qos = parameters.get('qos') ?? '1';
  if (!/^[012]$/.test(qos)) return { ok: false, problem: 'qos is 0, 1 or 2.' };
  const retain = parameters.get('retain') ?? '0';
  if (!/^[01]$/.test(retain)) return { ok: false, problem: 'retain is 0 or 1.' };
  const wait = waitOf(parameters);
  if (!wait.ok) return wait;
  const to = parameters.get('to') ?? undefined;
  if (!isRecipients(to)) return { ok: false, problem: 'to is id or followers.' };
  const followers = followersOf(to);
  return {
    ok: true,
    value: { qos: Number(qos) as Qos, retain: retain === '1', wait: wait.value, followers },
  };
}

/** `?wait=0|1` of a batch, whose lines say the rest. */
export function waitFromQuery(request: HttpRequest): Parsed<boolean> {
  return waitOf(new URLSearchParams(request.getQuery() ?? ''));
}

function waitOf(parameters: URLSearchParams): Parsed<boolean> {
  const wait = parameters.get('wait') ?? '1';
  if (!/^[01]$/.test(wait)) return { ok: false, problem: 'wait is 0 or 1.' };
  return { ok: true, value: wait === '1' };
}

/** `to` names the id alone, or also the ids that follow it. */
function isRecipients(to: unknown): to is 'id' | 'followers' | undefined {
  return to === undefined || to === 'id' || to === 'followers';
}

function followersOf(to: 'id' | 'followers' | undefined): boolean | undefined {
  return to === undefined ? undefined : to === 'followers';
}

/** `"qos"`, `"retain"`, `"wait"` and `"to"` of a message in JSON. */
export function optionsFromLine({
  qos = 1,
  retain = false,
  wait = true,
  to,
}: {
  qos?: unknown;
  retain?: unknown;
  wait?: unknown;
  to?: unknown;
}): Parsed<SendOptions> {
  if (qos !== 0 && qos !== 1 && qos !== 2) return { ok: false, problem: '"qos" is the number 0, 1 or 2.' };
  if (typeof retain !== 'boolean') return { ok: false, problem: '"retain" is true or false.' };
  if (typeof wait !== 'boolean') return { ok: false, problem: '"wait" is true or false.' };
  if (!isRecipients(to)) return { ok: false, problem: '"to" is "id" or "followers".' };
  return { ok: true, value: { qos, retain, wait, followers: followersOf(to) } };
}
