import type { Connections } from './connections.js';
import type { ExpiryActions } from './identities.js';

/** The client is told before its credentials end, where its transport can say so, and its connection ends with them. */
export function expiryActionsOf({ slots }: Connections): ExpiryActions {
  return {
    tell: (slot, endSec) => slots[slot]?.tellExpiry(endSec) ?? true,
    end: (slot) => slots[slot]?.end('credentials-expired'),
  };
}
