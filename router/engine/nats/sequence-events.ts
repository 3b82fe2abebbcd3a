import type { Message } from '../../message.js';

/** What a node hears of a stream. */
export interface SequenceEvents {
  /** In the order of the stream, each once. */
  handOut(message: Message, data: Uint8Array): void;
  /** Something may have been missed for good, of the ids that `concerns` says. */
  onGap(stream: string, concerns: (id: string) => boolean): void;
  /** The stream was made anew, and with it the epoch. */
  onAnew(): void;
  /** The stream cannot be read or written right now; told once, until it can. */
  onTrouble(stream: string, reason: string): void;
}
