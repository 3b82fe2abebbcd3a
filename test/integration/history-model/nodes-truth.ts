import { Truth } from './truth.js';

/** While Redis was not there, or a node had just lost it: who resumes then may have waited in vain. */
interface Outage {
  readonly fromMs: number;
  toMs: number;
}

/** How long a node waits for Redis before it tells who resumes that something may be gone. */
const loadWaitMs = 5_000;
/** Until nodes have found Redis again, and have read what they missed. */
const recoveryMs = 3_000;

/**
 * So long after it was refused a send may be stored: it lay in a socket while Redis stood still, and its node before.
 */
const storedLateMs = 5_000;

/** Messages published to the nodes of a cluster. An unacknowledged send may be in history or not, and at any place. */
export class NodesTruth extends Truth {
  readonly #uncertain = new Map<string, Set<number>>();
  readonly #outages: Outage[] = [];
  /** Messages of each id before the last start of Redis, which may be incomplete. */
  readonly #begun = new Map<string, number>();
  uncertain = 0;
  /** By id and offset, when it was sent and when that was answered. */
  readonly #sent = new Map<string, { beganMs: number; answeredMs: number }>();

  /** Those sends of an id with these texts were refused, or nobody has answered. */
  doubt(id: string, texts: readonly string[]): void {
    const uncertain = this.#uncertain.get(id) ?? new Set();
    for (const text of texts) uncertain.add(this.offsetOf(id, text)!);
    this.#uncertain.set(id, uncertain);
    this.uncertain += texts.length;
  }

  answered(id: string, text: string, beganMs: number): void {
    this.#sent.set(`${id} ${this.offsetOf(id, text)}`, { beganMs, answeredMs: performance.now() });
  }

  /** Whether it is known by now if it is certain. */
  isAnswered(id: string, offset: number): boolean {
    return this.#sent.has(`${id} ${offset}`);
  }

  /** A message that is stored late makes later ones older, and may push messages out of history. */
  override goneUpTo(id: string): number {
    let offset = this.last(id);
    while (offset > 0 && this.last(id) - offset + this.#storedBehind(id, offset) < this.bounds.messages)
      offset--;
    return Math.max(super.goneUpTo(id), offset, this.#begun.get(id) ?? 0);
  }

  /**
   * Whether who stands there may be told that something is gone: after a restart of Redis nobody knows, though he has
   * all.
   */
  mayLack(id: string, offset: number): boolean {
    return this.goneUpTo(id) > offset || (this.#begun.get(id) ?? -1) >= offset;
  }

  /** Redis has been started anew. */
  beginAnew(ids: readonly string[]): void {
    for (const id of ids) this.#begun.set(id, this.last(id));
  }

  /** The first that must be there behind an offset, with what happened around it. */
  describe(id: string, behind: number): string {
    let offset = behind + 1;
    while (this.isUncertain(id, offset)) offset++;
    const { beganMs, answeredMs } = this.#sent.get(`${id} ${offset}`) ?? { beganMs: 0, answeredMs: 0 };
    const tookMs = Math.round(answeredMs - beganMs);
    return `${id} ${offset}, answered ${tookMs} ms after it was sent, outages ${this.#outagesFrom(answeredMs)} ms from then`;
  }

  /** Where the ids stand, and what happened until now. */
  describeLast(ids: readonly string[]): string {
    const places = ids.map((id) => `${id} ${this.last(id)}, of which ${this.goneUpTo(id)} may be gone`);
    return `${places.join('; ')}; outages ${this.#outagesFrom(performance.now())} ms from now`;
  }

  #outagesFrom(timeMs: number): string[] {
    const span = ({ fromMs, toMs }: Outage) => [fromMs - timeMs, toMs - timeMs].map(Math.round).join('..');
    return this.#outages.map(span).slice(-3);
  }

  /** Uncertain, or not known yet. */
  isUncertain(id: string, offset: number): boolean {
    return this.#uncertain.get(id)?.has(offset) ?? false;
  }

  /** Messages that must be there, of those behind one offset up to another. */
  certainBetween(id: string, behind: number, upTo: number): number {
    let count = 0;
    for (let offset = behind + 1; offset <= upTo; offset++) if (!this.isUncertain(id, offset)) count++;
    return count;
  }

  /** Redis is away, or some node's way to it is cut. @returns to be called when it is back */
  beginOutage(): () => void {
    const outage = { fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY };
    this.#outages.push(outage);
    return () => {
      outage.toMs = performance.now() + recoveryMs;
    };
  }

  /** Whether somebody who asked then, and is answered now, may have waited for Redis for as long as a node does. */
  mayHaveWaitedInVain(askedMs: number): boolean {
    return performance.now() - askedMs >= loadWaitMs * 0.9 && this.#wasAwaySince(askedMs);
  }

  /**
   * Whether a poll that asked then may have got what its own node handed out while Redis was away. That has no place to
   * come back to: what does not fit into one answer is lost, and told.
   */
  mayHaveOverflowed(ids: readonly string[], askedMs: number): boolean {
    return (
      this.#wasAwaySince(askedMs) &&
      ids.some((id) => !this.isAnswered(id, this.last(id)) || this.isUncertain(id, this.last(id)))
    );
  }

  #wasAwaySince(askedMs: number): boolean {
    const nowMs = performance.now();
    return this.#outages.some(({ fromMs, toMs }) => fromMs < nowMs && toMs > askedMs);
  }

  /** How many of those before an offset may be stored behind it. */
  #storedBehind(id: string, offset: number): number {
    const sentMs = this.#sent.get(`${id} ${offset}`)?.beganMs ?? performance.now();
    let count = 0;
    for (let before = offset - 1; before > 0; before--) {
      const { answeredMs } = this.#sent.get(`${id} ${before}`) ?? { answeredMs: Number.POSITIVE_INFINITY };
      if (answeredMs + storedLateMs < sentMs) break;
      if (this.isUncertain(id, before)) count++;
    }
    return count;
  }
}
