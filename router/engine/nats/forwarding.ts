import type { Message } from '../../message.js';
import type { Tally } from '../engine.js';
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

  /** By way of the id's stream. What is retained goes to all nodes besides, and that is no delivery. */
  forwardInSequence(to: Sequence, message: Message, onTally: ((tally: Tally) => void) | undefined): void {
    const { sequences, counts } = this.#parts;
    if (message.retain) this.forward(message, { counted: false, retainOnly: true });
    const number = ++this.#number;
    const counted = onTally !== undefined;
    const data = encodeEnvelope(message, { run: this.#run, sequence: number, counted, retainOnly: false });
    if (counted) counts.expect(number);
    const onStored = (stored: boolean) => {
      if (stored && onTally !== undefined) return counts.ask(number, 0, onTally, to.stream.name);
      counts.forget(number);
      onTally?.({ delivered: 0, unanswered: 0, carried: stored });
    };
    // Who does not wait for the count has been told that it is accepted: it is not refused for want of room to wait.
    const acknowledged = counted || (message.qos > 0 && !sequences.full);
    if (sequences.publish(to, message.id, data, number, acknowledged ? onStored : undefined)) {
      this.forwarded++;
    } else {
      this.refused++;
      counts.forget(number);
      onTally?.({ delivered: 0, unanswered: 0, carried: false });
    }
  }
}
