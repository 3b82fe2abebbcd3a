import type { Msg } from '@nats-io/transport-node';
import type { HistoryRule, HistoryRules } from '../../history/history-rules.js';
import type { HistorySource, Loaded } from '../../history/replicated-history.js';
import { Acknowledgements } from './acknowledgements.js';
import { HistoryStream } from './history-stream.js';
import type { Interests } from './interests.js';
import { type Link, receiver } from './link.js';
import { markToken, Sequence, type SequenceEvents } from './sequence.js';

export interface SequencesOptions {
  readonly clusterName: string;
  readonly run: number;
  readonly rules: HistoryRules;
  /** Of each stream. */
  readonly bytesMax: number;
  readonly replicas: number;
}

/** The streams of all history rules: where ids with history are published, and where history reads. */
export class Sequences implements HistorySource {
  readonly #link: Link;
  readonly #options: SequencesOptions;
  readonly #interests: Interests;
  readonly #acknowledgements = new Acknowledgements();
  readonly #ackPrefix: string;
  /** By rule; none for a rule that keeps nothing. */
  #byRule: (Sequence | undefined)[] = [];
  readonly #byName = new Map<string, Sequence>();

  constructor(link: Link, interests: Interests, options: SequencesOptions) {
    this.#link = link;
    this.#interests = interests;
    this.#options = options;
    this.#ackPrefix = `${options.clusterName}.ack.${options.run}.`;
  }

  /** The link is open. @throws EngineError */
  async open(events: SequenceEvents): Promise<void> {
    for (const [index, rule] of this.#options.rules.list.entries()) {
      this.#byRule.push(rule.messages === 0 ? undefined : await this.#openOne(index, rule, events));
    }
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
    for (const sequence of this.#byName.values()) sequence.start();
  }

  stop(): void {
    for (const sequence of this.#byName.values()) sequence.stop();
    this.#acknowledgements.failAll();
  }

  tick(nowMs: number): void {
    this.#acknowledgements.tick(nowMs);
  }

  /** Changes with each stream that was made anew. */
  get epoch(): string {
    let sum = 0;
    for (const { createdMs } of this.#byName.values()) sum = (sum * 31 + createdMs) % 36 ** 8;
    return sum.toString(36).padStart(8, '0');
  }

  get late(): number {
    return this.#sum(({ late }) => late);
  }

  /** Of messages that were to be stored. */
  get failed(): number {
    return this.#acknowledgements.failed;
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
    if (onStored === undefined) return to.publish(id, envelope, undefined);
    if (this.#acknowledgements.full || !to.publish(id, envelope, this.#ackPrefix + number)) return false;
    this.#acknowledgements.expect(number, onStored);
    return true;
  }

  lose(): void {
    for (const sequence of this.#byName.values()) sequence.lose();
    this.#acknowledgements.failAll();
  }

  async catchUp(): Promise<void> {
    await Promise.all([...this.#byName.values()].map((sequence) => sequence.catchUp()));
  }

  position(rule: number): number {
    return this.#byRule[rule]?.position ?? 0;
  }

  hold(id: string): void {
    this.#interests.hold(id);
  }

  release(id: string): void {
    this.#interests.release(id);
  }

  async load(rule: number, id: string, offset: number): Promise<Loaded | undefined> {
    return this.#byRule[rule]?.load(id, offset);
  }

  async #openOne(index: number, rule: HistoryRule, events: SequenceEvents): Promise<Sequence> {
    const { clusterName, bytesMax, replicas, run } = this.#options;
    const stream = await HistoryStream.open(this.#link.connection, {
      clusterName,
      index,
      rule,
      bytesMax,
      replicas,
    });
    const sequence = new Sequence(stream, await stream.state(), this.#link, run, events);
    this.#byName.set(stream.name, sequence);
    return sequence;
  }

  #hearMark({ headers, data }: Msg): void {
    const sequence = this.#byName.get(headers?.get('Nats-Stream') ?? '');
    sequence?.markArrived(data, Number(headers!.get('Nats-Sequence')));
  }

  #sum(numberOf: (sequence: Sequence) => number): number {
    let sum = 0;
    for (const sequence of this.#byName.values()) sum += numberOf(sequence);
    return sum;
  }
}
