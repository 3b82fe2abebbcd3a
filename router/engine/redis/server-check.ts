import { complaintOfServer, type Trouble } from './errors.js';

const everyMs = 10_000;

/** Whether a server that is in use is still fit: its settings may be changed, and its memory may fill, at any time. */
export class ServerCheck {
  readonly #trouble: Trouble;
  /** @returns the answer of INFO; rejects where it is away */
  readonly #ask: () => Promise<unknown>;
  #askedMs = performance.now();
  /** As the server, or this, has said; '' = it is fit. */
  #complaint = '';
  /** Its answer where it has given no place; '' = it gives one. INFO does not tell of all reasons. */
  #refusal = '';

  constructor(trouble: Trouble, ask: () => Promise<unknown>) {
    this.#trouble = trouble;
    this.#ask = ask;
  }

  /** A sentence for operators. */
  get warning(): string | undefined {
    const complaint = this.#complaint || this.#refusal;
    return complaint === '' ? undefined : this.#trouble.sentenceOf(complaint);
  }

  /** It has refused something: that is looked at with the next tick. */
  note(complaint: string): void {
    if (!complaint.startsWith('OOM') || this.#complaint !== '') return;
    this.#complaint = complaint;
    this.#askedMs = -Infinity;
  }

  /** It was asked for a place, as it is each second. @param refusal its answer where it has given none */
  notePlace(refusal: string): void {
    if (refusal !== '' && refusal !== this.#refusal) this.#trouble.tell(refusal);
    this.#refusal = refusal;
  }

  tick(nowMs: number): void {
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
