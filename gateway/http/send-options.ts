import type { HttpRequest } from 'uWebSockets.js';
import type { Qos } from '../../router/message.js';
import type { Parsed } from './request.js';
import type { RequestHead } from './request-head.js';

/** How a message is to be sent, besides to whom. */
export interface SendOptions {
  readonly qos: Qos;
  readonly retain: boolean;
  /** For how many took it on all nodes. */
  readonly wait: boolean;
}

/**
 * QoS 1, so that it is the subscriber who says how hard a delivery is tried: an HTTP stream or a subscription at QoS 0
 * costs nothing more by it, and a session that asked for QoS 1 gets what is sent while its client is away.
 */
const asUsual: Parsed<SendOptions> = { ok: true, value: { qos: 1, retain: false, wait: true } };

/** Of the header Idempotency-Key. */
const keyShape = /^[\x21-\x7e]{1,64}$/;

/** @returns '' where there is none */
export function idempotencyKeyOf({ idempotencyKey }: RequestHead): Parsed<string> {
  if (idempotencyKey === '' || keyShape.test(idempotencyKey)) return { ok: true, value: idempotencyKey };
  return { ok: false, problem: 'An Idempotency-Key is 1 to 64 printable characters without spaces.' };
}

/** `?qos=0|1|2&retain=0|1&wait=0|1` */
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
  return { ok: true, value: { qos: Number(qos) as Qos, retain: retain === '1', wait: wait.value } };
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

/** `"qos"`, `"retain"` and `"wait"` of a message in JSON. */
export function optionsFromLine({
  qos = 1,
  retain = false,
  wait = true,
}: {
  qos?: unknown;
  retain?: unknown;
  wait?: unknown;
}): Parsed<SendOptions> {
  if (qos !== 0 && qos !== 1 && qos !== 2) return { ok: false, problem: '"qos" is the number 0, 1 or 2.' };
  if (typeof retain !== 'boolean') return { ok: false, problem: '"retain" is true or false.' };
  if (typeof wait !== 'boolean') return { ok: false, problem: '"wait" is true or false.' };
  return { ok: true, value: { qos, retain, wait } };
}
