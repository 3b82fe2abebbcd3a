/**
 * Follows the packets in the bytes that a connection has sent, by their lengths alone, so that it is known whether the
 * next one begins where the server believes it begins.
 */
export class SentStream {
  /** The first byte and the length of a packet that has begun. */
  #head: number[] = [];
  #bodyLeft = 0;
  /** A length of more than four bytes has been sent: the server cannot know where the next packet begins. */
  broken = false;

  get atBoundary(): boolean {
    return !this.broken && this.#head.length === 0 && this.#bodyLeft === 0;
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.broken; ) {
      if (this.#bodyLeft > 0) {
        const taken = Math.min(this.#bodyLeft, bytes.length - at);
        this.#bodyLeft -= taken;
        at += taken;
      } else {
        this.#pushHead(bytes[at++]!);
      }
    }
  }

  #pushHead(byte: number): void {
    const head = this.#head;
    head.push(byte);
    if (head.length === 1) return;
    if (byte < 0x80) {
      this.#bodyLeft = head.slice(1).reduce((sum, digit, index) => sum + (digit & 0x7f) * 128 ** index, 0);
      this.#head = [];
    } else if (head.length === 5) {
      this.broken = true;
    }
  }
}
