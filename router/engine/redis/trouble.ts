import { connectionRemedyOf, withoutOpensslCode } from '../../../redis-access/remedy.js';
import { sentenceOf } from './complaints.js';

/** Of the same trouble an operator is told so often, ms. */
const complaintMs = 10_000;
/** Whoever is told so starts again with other settings. */
const misfitShape = /^(SHARD|FORMAT|WRONGPASS|NOAUTH|NOPERM) |^its? /; // it is too old, its user may not …

/** Why a server is not usable, as it or the system said last; and what an operator is told of it. */
export class Trouble {
  readonly #server: string;
  readonly #overTls: boolean;
  readonly #cluster: string;
  readonly #onComplaint: (sentence: string) => void;
  /** '' = there is none. */
  now = '';
  #told = '';
  #toldMs = 0;

  /** @param server, cluster for sentences */
  constructor(server: string, overTls: boolean, cluster: string, onComplaint: (sentence: string) => void) {
    this.#server = server;
    this.#overTls = overTls;
    this.#cluster = cluster;
    this.#onComplaint = onComplaint;
  }

  get sentence(): string {
    return this.#sentenceOf(this.now);
  }

  /** The same, where it would not go by itself. */
  get misfit(): string | undefined {
    return misfitShape.test(this.now) ? this.sentence : undefined;
  }

  /** It could not be used once more. */
  fail(trouble: string): void {
    this.now = trouble;
    if (trouble !== this.#told) this.tell(trouble);
  }

  tell(trouble: string): void {
    const nowMs = performance.now();
    if (trouble === this.#told && nowMs - this.#toldMs < complaintMs) return;
    this.#told = trouble;
    this.#toldMs = nowMs;
    this.#onComplaint(this.#sentenceOf(trouble));
  }

  end(): void {
    this.now = '';
    this.#told = '';
  }

  #sentenceOf(trouble: string): string {
    const remedy = connectionRemedyOf(trouble, this.#overTls);
    const sentence = sentenceOf(withoutOpensslCode(trouble), this.#cluster);
    return `Redis at ${this.#server} cannot be used: ${sentence}${remedy === undefined ? '' : ` ${remedy}`}`;
  }
}
