import {
  cleanTerms,
  type Delivery,
  type DeliveryOptions,
  type InflightEntry,
  keptTerms,
  type Message,
  retainSet,
  type Session,
  type SessionConnection,
  type SessionOwner,
  type Sessions,
  type SessionTerms,
} from '../../router/index.js';
import { textOf } from './inbox.js';

/**
 * A connection that notes what it is given: `text`, `text#<packet id>` at QoS 1 and 2, `+dup`, `+retained`,
 * `rel#<packet id>`.
 */
export class SessionClient implements SessionConnection {
  congested = false;
  readonly sent: string[] = [];
  answer: Delivery = 'sent';
  /** Called for each packet; may end the connection. */
  onSend: (() => void) | undefined;
  session: Session | undefined;
  wasTakenOver = false;
  readonly #sessions: Sessions;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /** CONNECT, CONNACK and what follows. @returns whether the session was there already */
  connect(clientId: string, clean = false, owner?: SessionOwner): boolean {
    return this.connectWith(clean ? cleanTerms : keptTerms, clientId, owner);
  }

  connectWith(terms: SessionTerms, clientId: string, owner?: SessionOwner): boolean {
    const { session, present } = this.#sessions.open(clientId, terms, this, owner && (() => owner));
    this.session = session;
    session.resume();
    return present;
  }

  drop(): void {
    const { session } = this;
    this.session = undefined;
    if (session !== undefined) this.#sessions.detach(session);
  }

  /** Messages since the last call. */
  take(): string[] {
    return this.sent.splice(0);
  }

  sendQos0(message: Message, options: DeliveryOptions): Delivery {
    this.#note(textOf(message) + ((options & retainSet) !== 0 ? '+retained' : ''));
    return this.answer;
  }

  sendInflight({ message, packetId, dup, retained }: InflightEntry): void {
    const flags = (dup ? '+dup' : '') + (retained ? '+retained' : '');
    this.#note(`${textOf(message!)}#${packetId}${flags}`);
  }

  sendPubrel(packetId: number): void {
    this.#note(`rel#${packetId}`);
  }

  takenOver(): void {
    this.wasTakenOver = true;
    this.drop();
  }

  #note(packet: string): void {
    this.sent.push(packet);
    this.onSend?.();
  }
}
