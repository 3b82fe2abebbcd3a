import type { Message } from '../../../router/message.js';
import { wireOf } from '../../connection.js';

/** The encoding of a message for one transport: made once, shared by all recipients. */
export class SharedPieces {
  readonly #wireIndex: number;
  readonly #textOf: (message: Message) => string;

  /** @param textOf the part that is the same for all recipients */
  constructor(wireIndex: number, textOf: (message: Message) => string) {
    this.#wireIndex = wireIndex;
    this.#textOf = textOf;
  }

  of(message: Message): SharedPiece {
    const wire = wireOf(message);
    let piece = wire[this.#wireIndex] as SharedPiece | undefined;
    if (piece === undefined) {
      piece = new SharedPiece(this.#textOf(message));
      wire[this.#wireIndex] = piece;
    }
    return piece;
  }
}

class SharedPiece {
  readonly text: string;
  #led: Uint8Array | undefined = undefined;
  #bare: Uint8Array | undefined = undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** @param lead whether it starts with the closing newline of the piece before it */
  bytes(lead: boolean, complete: (text: string) => string): Uint8Array {
    this.#led ??= Buffer.from(`\n${complete(this.text)}`);
    if (lead) return this.#led;
    this.#bare ??= this.#led.subarray(1);
    return this.#bare;
  }
}
