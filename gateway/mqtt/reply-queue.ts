/** So many at the head of a queue may be out before they are cut off: that moves the rest. */
const outMax = 1_000;

/** An answer that may have to wait. */
export interface QueuedReply {
  isDue: boolean;
}

/** Answers of one connection that wait, in the order in which they go out: each once it is due and the one before is out. */
export class ReplyQueue<Reply extends QueuedReply> {
  readonly #replies: Reply[] = [];
  /** Of these, so many at the head are out. */
  #out = 0;

  get length(): number {
    return this.#replies.length - this.#out;
  }

  push(reply: Reply): void {
    this.#replies.push(reply);
  }

  /** Nothing in it waits any longer for anything. */
  setAllDue(): void {
    for (let n = this.#out; n < this.#replies.length; n++) this.#replies[n]!.isDue = true;
  }

  /** Takes out those at the head that are due. */
  takeDue(): Reply[] {
    const due: Reply[] = [];
    while (this.#replies[this.#out]?.isDue) due.push(this.#replies[this.#out++]!);
    if (this.#out > outMax || this.#out === this.#replies.length) {
      this.#replies.splice(0, this.#out);
      this.#out = 0;
    }
    return due;
  }
}
