import type { Outcome } from '../../router/engine/engine.js';

/** What a publisher is told of a message that was not carried to the other nodes, or is not known to have been. */

export const statusLines = {
  503: '503 Service Unavailable',
  504: '504 Gateway Timeout',
} as const;

const notCarriedText = 'Redis cannot be reached: nobody got it. Send it again later.';
const unknownText =
  'No answer came in time, so it is not known whether the message was sent. Look before you send it again.';

export function failureOf({ carried, reason }: Outcome): { status: '503' | '504'; error: string } {
  if (carried === 'no') return { status: '503', error: reason ?? notCarriedText };
  return { status: '504', error: reason ?? unknownText };
}
