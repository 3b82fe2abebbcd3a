import type { Msg } from '@nats-io/transport-node';
import { Message } from '../../message.js';
import type { OnPublication, OnRetained } from '../engine.js';
import { Arrivals } from './arrivals.js';
import type { Counts } from './counts.js';
import { decodeEnvelope, type Envelope, messageOf } from './envelope.js';
import type { MessageSubjects } from './message-subjects.js';
import { placeOf } from './place.js';
import type { RetainedReplication } from './retained-replication.js';
import type { Sequences } from './sequences.js';
import { markToken } from './stored-message.js';

export interface ReceptionParts {
  /** Of this node. */
  readonly run: number;
  readonly subjects: MessageSubjects;
  readonly counts: Pick<Counts, 'note'>;
  readonly sequences: Pick<Sequences, 'of'>;
  readonly retention: Pick<RetainedReplication, 'heard'> | undefined;
  readonly onPublication: OnPublication;
  readonly onRetained: OnRetained;
}

/**
 * What NATS brings, on its way to own subscribers, each message once:
 *
 *     <name>.m.<id> ──┬── by way of its id's stream, which hands it out in its order ──┐
 *                     └── straight from its publisher ─────────────────────────────────┴── own subscribers, and counted
 *     <name>.r.<id> ── retained: delivered, or only kept where a stream brings it besides
 */
export class Reception {
  readonly #parts: ReceptionParts;
  readonly #arrivals = new Arrivals();
  /** Handed out to own subscribers. */
  received = 0;
  /** On our subjects, and not of our making. */
  unreadable = 0;

  constructor(parts: ReceptionParts) {
    this.#parts = parts;
  }

  /** Came when a newer one of its publisher was out. */
  get late(): number {
    return this.#arrivals.late;
  }

  receive(received: Msg): void {
    const { run, subjects, sequences, retention, onRetained } = this.#parts;
    const { subject, data } = received;
    if (subject.startsWith(markToken, subjects.messagePrefix.length)) return; // `#` matches marks, too
    const id = subjects.idOf(subject);
    const envelope = decodeEnvelope(data);
    if (envelope === undefined || id === undefined) {
      this.unreadable++;
      return;
    }
    const place = placeOf(received);
    if (place !== undefined) {
      const sequence = sequences.of(id);
      if (sequence?.stream.name === place.stream)
        sequence.arrived({ id, sequence: place.sequence, last: place.last, data });
      else this.unreadable++;
      return;
    }
    // noEcho is by connection: what an earlier one left behind comes back on the next, and has been handed out here.
    if (envelope.run === run) return;
    if (!this.#arrivals.take(envelope.run, envelope.sequence)) return;
    const message = messageOf(id, data);
    if (message.retain) retention?.heard(id, envelope.run);
    if (envelope.retainOnly) onRetained(message);
    else this.#handOut(message, envelope);
  }

  /** A stream has come to it. @param data the envelope that it came in */
  handOutStored(message: Message, data: Uint8Array): void {
    this.#handOut(unretained(message), decodeEnvelope(data)!);
  }

  /** What the stream of retained messages has. @returns undefined where it is unreadable */
  readRetained(subject: string, data: Uint8Array): Message | undefined {
    const id = decodeEnvelope(data) === undefined ? undefined : this.#parts.subjects.idOf(subject);
    if (id === undefined) this.unreadable++;
    return id === undefined ? undefined : messageOf(id, data);
  }

  /** That node has gone. */
  forget(run: number): void {
    this.#arrivals.forget(run);
  }

  #handOut(message: Message, { run, sequence, counted }: Envelope): void {
    this.received++;
    const taken = this.#parts.onPublication(message);
    if (counted) this.#parts.counts.note(run, sequence, taken);
  }
}

/** It has come as retained already; when it comes by way of history, it may be an old one. */
function unretained(message: Message): Message {
  if (!message.retain) return message;
  const { id, payload, timeMs, qos, offset } = message;
  return new Message(id, payload, timeMs, qos, false, offset);
}
