import { complaintOfServer, shardErrorOf, type Trouble } from './errors.js';

const everyMs = 10_000;

/** A server may refuse each of them alone. `alive` is a write that each node makes once a second, `place` is none. */
export type Refused = 'alive' | 'place' | 'publish' | 'reads';

/** Whether a server that is in use is still fit: its settings may be changed, and its memory may fill, at any time. */
export class ServerCheck {
  readonly #trouble: Trouble;
  /** @returns the answer of INFO; rejects where it is away, or refuses something */
  readonly #ask: () => Promise<unknown>;
  readonly #onSuperseded: (what: Refused, reason: string) => void;
  #askedMs = performance.now();
  /** As the server, or this, has said; '' = it is fit. */
  #complaint = '';
  /** Its answers where it refuses. INFO does not tell of all reasons. */
  readonly #refusals = new Map<Refused, string>();
  /** When it refused a message last: that is told for a while, as nobody may try again. */
  #refusedMs = 0;

  /** @param onSuperseded where a connection is of no use any more */
  constructor(
    trouble: Trouble,
    ask: () => Promise<unknown>,
    onSuperseded: (what: Refused, reason: string) => void,
  ) {
    this.#trouble = trouble;
    this.#ask = ask;
    this.#onSuperseded = onSuperseded;
  }

  /** A sentence for operators. */
  get warning(): string | undefined {
    const [refusal] = this.#refusals.values();
    const complaint = this.#complaint || refusal;
    return complaint === undefined ? undefined : this.#trouble.sentenceOf(complaint);
  }

  /** @param answer that it has given; '' = it does not refuse */
  note(what: Refused, answer: string): void {
    if (answer === '') {
      this.#refusals.delete(what);
      return;
    }
    if (what === 'publish' || answer !== this.#refusals.get(what)) this.#trouble.tell(answer);
    this.#refusals.set(what, answer);
    if (what !== 'publish') return;
    this.#refusedMs = performance.now();
    if (this.#complaint === '') this.#askedMs = -Infinity; // with the next tick
  }

  /** Looks at an answer, and gives it on. @throws ShardError */
  async of<Answer>(what: Refused, answer: Promise<Answer>): Promise<Answer> {
    try {
      const value = await answer;
      this.note(what, '');
      return value;
    } catch (error) {
      const why = shardErrorOf(error as Error);
      if (why.kind === 'refused') this.note(what, why.message);
      else if (why.kind === 'superseded') this.#onSuperseded(what, why.message);
      throw why;
    }
  }

  tick(nowMs: number): void {
    if (this.#refusals.size > 0 && nowMs - this.#refusedMs > everyMs) this.#refusals.delete('publish');
    if (nowMs - this.#askedMs < everyMs) return;
    this.#askedMs = nowMs;
    this.#ask().then(
      (info) => this.#tell(complaintOfServer(String(info))),
      () => {},
    );
  }

  #tell(complaint: string): void {
    if (complaint !== '' && complaint !== this.#complaint) this.#trouble.tell(complaint);
    this.#complaint = complaint;
  }
}
