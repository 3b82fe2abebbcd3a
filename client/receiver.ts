import type { WireMessage } from './message.js';

/** What a transport tells the connection that it works for. */
export interface Receiver {
  /** Behind what was handled: where the next attempt goes on. */
  readonly cursor: string | undefined;
  /** From where to begin while there is no cursor. */
  readonly since: string | undefined;
  /** False: whatever else came of this attempt is not to be handled any more. */
  readonly listens: boolean;
  /** The server answers on this transport. */
  opened(): void;
  /** What became of the cursor that this attempt began with. */
  resumed(recovered: boolean): void;
  /** The server dropped so many messages at this place. */
  lost(count: number): void;
  /** @param cursor behind this message; undefined: as before */
  received(message: WireMessage, cursor: string | undefined): void;
  /** A newer cursor without a message. */
  moved(cursor: string): void;
  /** When the server wants to see a client again that it has lost. */
  retryIn(delayMs: number): void;
}
