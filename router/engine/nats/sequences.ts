import { createHash } from 'node:crypto';
import type { Msg } from '@nats-io/transport-node';
import type { HistoryRule, HistoryRules } from '../../history/history-rules.js';
import type { HistorySource, Loaded } from '../../history/replicated-history.js';
import { hasWildcard } from '../../topic-filter.js';
import { Acknowledgements } from './acknowledgements.js';
import { HistoryStream } from './history-stream.js';
import type { Interests } from './interests.js';
import { type Link, receiver } from './link.js';
import { placeOf } from './place.js';
import { retireOtherRules } from './rules-change.js';
import { Sequence } from './sequence.js';
import type { SequenceEvents } from './sequence-events.js';
import { markToken } from './stored-message.js';

export interface SequencesOptions {
  readonly clusterName: string;
  readonly run: number;
  /** In the cluster, this one included. */
  readonly nodes: () => number;
  readonly rules: HistoryRules;
  /** Of each stream. */
  readonly bytesMax: number;
  readonly replicas: number;
}

/** Of those that nobody asks about, one in so many is acknowledged, and one as often; an acknowledgement is 6 µs. */
const probeMessages = 64;
const probeMs = 250;

/** The streams of all history rules: where ids with history are published, and where history reads. */
export class Sequences implements HistorySource {
  readonly #link: Link;
  readonly #options: SequencesOptions;
  readonly #interests: Interests;
  readonly #acknowledgements = new Acknowledgements();
  readonly #ackPrefix: string;
  readonly #fingerprint: string;
  /** By rule; none for a rule that keeps nothing. */
  #byRule: (Sequence | undefined)[] = [];
  readonly #byName = new Map<string, Sequence>();
  #epoch = '';
  /** Since the last one that was acknowledged. */
  #unasked = 0;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(link: Link, interests: Interests, options: SequencesOptions) {
    this.#link = link;
    this.#interests = interests;
    interests.onEnd = (filter) => this.#endedWith(filter);
    this.#options = options;
    this.#ackPrefix = `${options.clusterName}.ack.${options.run}.`;
    this.#fingerprint = fingerprintOf(options.rules);
  }

  /** The link is open. @throws EngineError */
  async open(events: Omit<SequenceEvents, 'onAnew'>): Promise<void> {
    const all = { ...events, onAnew: () => this.#begin() };
    const { rules, clusterName } = this.#options;
    // Of NATS servers without JetStream some answer this after 5 s only, and who keeps nothing may do without.
    const keepsNothing = rules.list.every(({ messages }) => messages === 0);
    if (!keepsNothing || this.#link.connection.info?.jetstream === true) {
      await retireOtherRules(this.#link, clusterName, this.#fingerprint);
    }
    for (const [index, rule] of this.#options.rules.list.entries()) {
      this.#byRule.push(rule.messages === 0 ? undefined : await this.#openOne(index, rule, all));
    }
    this.#begin();
  }

  start(): void {
    const { clusterName, run } = this.#options;
    this.#link.subscribe(
      `${this.#ackPrefix}*`,
      receiver((message) => this.#acknowledgements.hear(message)),
    );
    this.#link.subscribe(
      `${clusterName}.m.${markToken}.${run}`,
      receiver((message) => this.#hearMark(message)),
    );
    for (const sequence of this.#byName.values()) {
      // A new leader hands out what it is sent; what the old one had stored last, maybe nobody has.
      this.#link.subscribe(
        `$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${sequence.stream.name}`,
        receiver(() => void sequence.catchUp()),
      );
      sequence.start();
    }
  }

  stop(): void {
    for (const sequence of this.#byName.values()) sequence.stop();
    this.#acknowledgements.failAll();
  }

  tick(nowMs: number): void {
    this.#acknowledgements.tick(nowMs);
    for (const sequence of this.#byName.values()) sequence.tick(nowMs);
  }

  /** Changes with each stream that was made anew. */
  get epoch(): string {
    return this.#epoch;
  }

  get late(): number {
    return this.#sum(({ late }) => late);
  }

  /** Of messages that were to be stored. */
  get failed(): number {
    return this.#acknowledgements.failed;
  }

  /** So many acknowledgements are waited for that no more messages are taken that want one. */
  get full(): boolean {
    return this.#acknowledgements.full;
  }

  /** @returns undefined for an id without history */
  of(id: string): Sequence | undefined {
    return this.#byRule[this.#options.rules.of(id)];
  }

  named(stream: string): Sequence | undefined {
    return this.#byName.get(stream);
  }

  /** @param onStored once it is known whether the stream has it. @returns false = it could not be handed over */
  publish(
    to: Sequence,
    id: string,
    envelope: Uint8Array,
    number: number,
    onStored: ((stored: boolean) => void) | undefined,
  ): boolean {
    if (onStored === undefined && !this.#probes()) return to.publish(id, envelope, undefined);
    if (this.#acknowledgements.full) {
      this.#acknowledgements.failed++;
      return false;
    }
    if (!to.publish(id, envelope, this.#ackPrefix + number)) return false;
    this.#acknowledgements.expect(number, (stored) => {
      if (!stored) to.doubt();
      onStored?.(stored);
    });
    return true;
  }

  lose(): void {
    for (const sequence of this.#byName.values()) sequence.lose();
    this.#acknowledgements.failAll();
  }

  async catchUp(): Promise<void> {
    await Promise.all([...this.#byName.values()].map((sequence) => sequence.catchUp()));
  }

  position(rule: number, id: string): number {
    return this.#byRule[rule]?.positionOf(id) ?? 0;
  }

  hold(id: string): void {
    this.#interests.hold(id);
  }

  release(id: string): void {
    this.#interests.release(id);
  }

  async begin(rule: number, id: string): Promise<void> {
    const sequence = this.#byRule[rule];
    if (sequence !== undefined) await sequence.begin(id);
    else await new Promise<void>((resolve) => this.#interests.whenInEffect(resolve));
  }

  /** There is interest in an id, or a filter, from now on. */
  begunWith(filter: string): void {
    if (!hasWildcard(filter)) {
      if (!this.#interests.isHeld(filter)) this.#note(this.of(filter)?.begin(filter));
      return;
    }
    for (const sequence of this.#byName.values()) this.#note(sequence.beginFilter());
  }

  async load(rule: number, id: string, offset: number, untilMs: number): Promise<Loaded | undefined> {
    return this.#byRule[rule]?.load(id, offset, untilMs);
  }

  #note(begun: Promise<void> | undefined): void {
    if (begun !== undefined) this.#interests.noteBeginning(begun);
  }

  #endedWith(filter: string): void {
    if (!hasWildcard(filter)) this.of(filter)?.end(filter);
    else for (const sequence of this.#byName.values()) sequence.endFilter();
  }

  async #openOne(index: number, rule: HistoryRule, events: SequenceEvents): Promise<Sequence> {
    const { clusterName, bytesMax, replicas, run, nodes } = this.#options;
    const stream = await HistoryStream.open(this.#link.connection, {
      clusterName,
      index,
      rule,
      fingerprint: this.#fingerprint,
      bytesMax,
      replicas,
    });
    const budget = { bytes: 0, bytesMax };
    const isExact = (id: string) => this.#interests.has(id);
    const sequence = new Sequence(
      stream,
      await stream.state(),
      this.#link,
      { run, budget, nodes, isExact },
      events,
    );
    this.#byName.set(stream.name, sequence);
    return sequence;
  }

  #begin(): void {
    const streams = [...this.#byName.values()].map(({ createdMs }) => createdMs);
    const text = JSON.stringify([this.#fingerprint, ...streams]);
    this.#epoch = createHash('sha256').update(text).digest('base64url').slice(0, 10);
  }

  /** Whether this one is acknowledged, though nobody asks: a stream that refuses all is noticed by it. */
  #probes(): boolean {
    const nowMs = performance.now();
    if (++this.#unasked < probeMessages && nowMs - this.#askedMs < probeMs) return false;
    if (this.#acknowledgements.full) return false;
    this.#unasked = 0;
    this.#askedMs = nowMs;
    return true;
  }

  #hearMark(message: Msg): void {
    const place = placeOf(message);
    if (place !== undefined) this.#byName.get(place.stream)?.markArrived(message.data, place.sequence);
  }

  #sum(numberOf: (sequence: Sequence) => number): number {
    let sum = 0;
    for (const sequence of this.#byName.values()) sum += numberOf(sequence);
    return sum;
  }
}

/** Of all that decides which ids a stream has: with another one, old cursors mean nothing. How many are read is each node's own. */
function fingerprintOf({ list }: HistoryRules): string {
  const text = JSON.stringify(list.map(({ filter, messages }) => [filter, messages > 0]));
  return `encke history ${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}
