import type { Msg } from '@nats-io/transport-node';

/** Where a message that a stream has published on has its place. */
export interface Place {
  readonly stream: string;
  readonly sequence: number;
  /** Of the message under the same subject before it; 0 = there was none. */
  readonly last: number;
}

const streamAt = 'NATS/1.0\r\nNats-Stream: '.length;
const subjectBytes = '\r\nNats-Subject: '.length;
const sequenceBytes = '\r\nNats-Sequence: '.length;
const lastName = Buffer.from('\r\nNats-Last-Sequence: ');
const carriageReturn = 0x0d;

/**
 * From its headers, which begin with the stream, the subject and the sequence. `headers` of the client makes a map of
 * them all, which is 4.7 µs, and this 0.2 µs.
 * @returns undefined for a message that comes from no stream
 */
export function placeOf(message: Msg): Place | undefined {
  const { data } = message;
  const headBytes = (message as unknown as { _msg?: { hdr?: unknown } })._msg?.hdr;
  if (typeof headBytes !== 'number') return placeInHeaders(message);
  if (headBytes <= 0) return undefined;
  const head = Buffer.from(data.buffer, data.byteOffset - headBytes, headBytes);
  const streamEnd = head.indexOf(carriageReturn, streamAt);
  const subjectEnd = head.indexOf(carriageReturn, streamEnd + subjectBytes);
  const at = subjectEnd + sequenceBytes;
  const sequence = numberAt(head, at);
  const lastAt = head.indexOf(lastName, at);
  // "Nats-Sequence" among names that all begin with "Nats-"; what is another order is read the long way.
  if (sequence === 0 || lastAt === -1 || head[subjectEnd + 7] !== 0x53 || head[subjectEnd + 9] !== 0x71)
    return placeInHeaders(message);
  const last = numberAt(head, lastAt + lastName.length);
  return { stream: head.toString('latin1', streamAt, streamEnd), sequence, last };
}

function numberAt(head: Buffer, start: number): number {
  let number = 0;
  let at = start;
  for (let digit = head[at]! - 0x30; digit >= 0 && digit <= 9; digit = head[++at]! - 0x30)
    number = number * 10 + digit;
  return number;
}

function placeInHeaders({ headers }: Msg): Place | undefined {
  const stream = headers?.get('Nats-Stream') ?? '';
  const sequence = Number(headers?.get('Nats-Sequence'));
  const last = Number(headers?.get('Nats-Last-Sequence') ?? 0);
  return stream !== '' && sequence > 0 ? { stream, sequence, last } : undefined;
}
