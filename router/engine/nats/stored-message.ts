import type { Message } from '../../message.js';
import { decodeEnvelope, messageOf } from './envelope.js';

/** No id begins with it: after a % in a token there are two hex digits. */
export const markToken = '%mark';

/**
 * A message of a stream, with its place in it as offset.
 * @returns undefined for what is no message of this house, or of another version
 */
export function messageOfStream(id: string, sequence: number, data: Uint8Array): Message | undefined {
  if (decodeEnvelope(data) === undefined) return undefined;
  const message = messageOf(id, data);
  message.offset = sequence;
  return message;
}
