import { isUtf8 } from 'node:buffer';
import type { Message } from '../../router/message.js';

/** A payload as JSON has it: text, or base64 with a marker where it is not UTF-8. */
export function dataOf(message: Message): { data: string; encoding?: 'base64' } {
  const payload = payloadOf(message);
  if (isUtf8(payload)) return { data: payload.toString('utf8') };
  return { data: payload.toString('base64'), encoding: 'base64' };
}

export function payloadOf({ payload }: Message): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length);
}
