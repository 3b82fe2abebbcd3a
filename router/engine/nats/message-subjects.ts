import type { Message } from '../../message.js';
import { idBytesMaxDefault, problemOfId } from '../../topic.js';
import { EngineError } from './engine-error.js';
import { idOfSubject, subjectOfId } from './subject.js';

/**
 * A NATS server ends the connection at a longer line than 4,096 bytes (max_control_line, which it does not tell), and
 * at each next one, as the client subscribes anew: one long filter would keep the node cut off. 64 are for the words
 * around the subject.
 */
const controlLineBytes = 4_096 - 64;
/** A byte of an id is three at most in a subject: %20. */
const encodedBytesMax = 3;

/** The subjects that the messages of a cluster are published to: its name, a letter for who is to have them, and the id. */
export class MessageSubjects {
  /** To nodes with interest. */
  readonly messagePrefix: string;
  /** To all nodes, and a stream. */
  readonly retainedPrefix: string;
  /** To all nodes: what goes with its node. */
  readonly volatilePrefix: string;
  readonly #idBytesMax: number;
  readonly #topicLevelsMax: number | undefined;

  /** @param clusterName Letters, digits, - and _. */
  constructor(clusterName: string, idBytesMax = idBytesMaxDefault, topicLevelsMax?: number) {
    this.messagePrefix = `${clusterName}.m.`;
    this.retainedPrefix = `${clusterName}.r.`;
    this.volatilePrefix = `${clusterName}.v.`;
    this.#idBytesMax = idBytesMax;
    this.#topicLevelsMax = topicLevelsMax;
  }

  /** @throws EngineError where the server would not take the longest of them */
  assertFit(): void {
    const bytesMax = Math.floor((controlLineBytes - this.messagePrefix.length) / encodedBytesMax);
    if (this.#idBytesMax <= bytesMax) return;
    throw new EngineError(
      `Ids of ${this.#idBytesMax} bytes do not fit what a NATS server reads as one line: lower --id-bytes-max to ${bytesMax}.`,
    );
  }

  of({ id, retain }: Message): string {
    return this.#prefixOf(id, retain) + subjectOfId(id);
  }

  /** @returns undefined where it is none of this cluster's ids: any program may publish to NATS */
  idOf(subject: string): string | undefined {
    try {
      const id = idOfSubject(subject.slice(this.messagePrefix.length)); // all three prefixes are as long
      return problemOfId(id, this.#idBytesMax, this.#topicLevelsMax) === undefined ? id : undefined;
    } catch {
      return undefined;
    }
  }

  #prefixOf(id: string, retain: boolean): string {
    if (!retain) return this.messagePrefix;
    return id.startsWith('$') ? this.volatilePrefix : this.retainedPrefix;
  }
}
