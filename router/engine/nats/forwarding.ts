import type { Message } from '../../message.js';
import type { OnOutcome } from '../engine.js';
import type { Counts } from './counts.js';
import { encodeEnvelope } from './envelope.js';
import type { Link } from './link.js';
import type { MessageSubjects } from './message-subjects.js';
import type { RetainedReplication } from './retained-replication.js';
import type { Sequence } from './sequence.js';
import type { Sequences } from './sequences.js';

export interface ForwardingParts {
  link: Link;
  subjects: MessageSubjects;
  sequences: Sequences;
  counts: Counts;
  retention: RetainedReplication | undefined;
}

/** What this node publishes, on its way to the others: numbered, and by way of a stream where the id has history. */
export class Forwarding {
  readonly #run: number;
  readonly #parts: ForwardingParts;
  /** Of what this node has published. */
  #number = 0;
  forwarded = 0;
  /** NATS did not take it. */
  refused = 0;

  constructor(run: number, parts: ForwardingParts) {
    this.#run = run;
    this.#parts = parts;
  }

  /** @returns its number among those of this node; 0 = NATS did not take it */
  forward(message: Message, { counted, retainOnly }: { counted: boolean; retainOnly: boolean }): number {
    const { link, subjects, retention } = this.#parts;
    const subject = subjects.of(message);
    const number = ++this.#number;
    const data = encodeEnvelope(message, { run: this.#run, sequence: number, counted, retainOnly });
    if (!link.publish(subject, data)) {
      this.refused++;
      return 0;
    }
    this.forwarded++;
    if (message.retain) retention?.sent(message.id, this.#run, subject, data);
    return number;
  }

  /**
   * By way of the id's stream. At QoS 1 and 2 the stream is asked whether it has it. @param onCarried called once it has
   * said so; or once it is handed over, where too many wait for that: who publishes on and on is not to shut out others
   */
  forwardInSequence(to: Sequence, message: Message, onCarried?: (carried: boolean) => void): void {
    const asks = message.qos > 0 && !this.#parts.sequences.full;
    const number = this.#retainAndNumber(message);
    const handedOver = this.#store(to, message, number, false, asks ? (onCarried ?? unheard) : undefined);
    if (!asks || !handedOver) onCarried?.(handedOver);
  }

  /** By way of the id's stream, and counted once that has it. */
  forwardCounted(to: Sequence, message: Message, onOutcome: OnOutcome): void {
    const { counts } = this.#parts;
    const number = this.#retainAndNumber(message);
    const uncarried = () => {
      counts.forget(number);
      onOutcome({ delivered: 0, unanswered: 0, carried: 'no' });
    };
    counts.expect(number);
    const onStored = (stored: boolean) => {
      if (stored) counts.ask(number, 0, onOutcome, to.stream.name);
      else uncarried();
    };
    if (!this.#store(to, message, number, true, onStored)) uncarried();
  }

  /** What is retained goes to all nodes besides, and that is no delivery. @returns the number of what goes into a stream */
  #retainAndNumber(message: Message): number {
    if (message.retain) this.forward(message, { counted: false, retainOnly: true });
    return ++this.#number;
  }

  /** @returns false = it could not be handed over, and `onStored` is not called */
  #store(
    to: Sequence,
    message: Message,
    number: number,
    counted: boolean,
    onStored: ((stored: boolean) => void) | undefined,
  ): boolean {
    const data = encodeEnvelope(message, { run: this.#run, sequence: number, counted, retainOnly: false });
    const handedOver = this.#parts.sequences.publish(to, message.id, data, number, onStored);
    if (handedOver) this.forwarded++;
    else this.refused++;
    return handedOver;
  }
}

/** A message that is not stored is counted, and doubted, whoever waits to hear of it. */
function unheard(): void {}
