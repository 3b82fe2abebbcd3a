import type { CloseReason } from '../close-reason.js';

/** Sizes and settings for the log line of a closed connection. */
export type CloseDetails = Record<string, unknown>;

/** A reason to close a connection that the log says more of. */
export interface DetailedClosing {
  readonly reason: CloseReason;
  readonly details: CloseDetails;
}

/** Why a connection must be closed. */
export type Closing = CloseReason | DetailedClosing;
