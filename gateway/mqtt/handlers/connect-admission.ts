import type { Authorizer } from '../../../access/authorizer.js';
import type { Identity } from '../../../access/identity.js';
import type { Sessions } from '../../../router/session/sessions.js';
import { isServerTopic } from '../../../router/topic.js';
import type { AccessControl } from '../../access-control.js';
import type { Config } from '../../config.js';
import type { Identities } from '../../identities.js';
import type { Channel } from '../channel.js';
import type { DetailedClosing } from '../closing.js';
import { type ConnectPacket, termsOf, type Will } from '../connect-packet.js';
import { protocolLevel } from '../packet.js';
import type { PublishAdmission } from '../publish-admission.js';
import { type ConnackCode, connackCode } from '../reply-packets.js';
import type { Wills } from '../wills.js';

/** Which CONNECTs are accepted. */
export class ConnectAdmission {
  readonly #publish: PublishAdmission;
  readonly #wills: Wills;
  readonly #sessions: Sessions;
  readonly #authorizer: Authorizer;
  readonly #identities: Identities;
  readonly #config: Config;

  constructor(
    publish: PublishAdmission,
    wills: Wills,
    sessions: Sessions,
    { authorizer, identities }: Pick<AccessControl, 'authorizer' | 'identities'>,
    config: Config,
  ) {
    this.#publish = publish;
    this.#wills = wills;
    this.#sessions = sessions;
    this.#authorizer = authorizer;
    this.#identities = identities;
    this.#config = config;
  }

  /**
   * @returns the will under its topic, or why the connection must be closed; undefined where there is none, or where it would
   * go nowhere
   */
  willOf({ will }: ConnectPacket): Will | DetailedClosing | undefined {
    if (will === undefined) return undefined;
    const topic = this.#publish.rewrittenTopicOf(will);
    if (typeof topic !== 'string') return topic;
    return isServerTopic(topic) ? undefined : { ...will, topic };
  }

  /**
   * Call this before anybody is asked who the client is, so that a stranger's client id takes no memory while that is
   * awaited.
   */
  takesClientId({ level, clientId, clean }: ConnectPacket): boolean {
    // [MQTT-3.1.3-8]; and 3.1 has no empty ones at all.
    if (clientId === '') return clean && level !== protocolLevel.mqtt31;
    return Buffer.byteLength(clientId) <= this.#config.mqttMaxClientIdLength;
  }

  /** @returns whether its user has as many connections as it may, besides the one that this one takes over */
  isOneTooMany({ clientId }: ConnectPacket, identity: Identity): boolean {
    const former = this.#sessions.find(clientId)?.connection as Channel | undefined;
    return this.#identities.isFull(identity, former?.slot);
  }

  /** @returns why it is refused, if so */
  refusalOf(packet: ConnectPacket, will: Will | undefined, identity: Identity): ConnackCode | undefined {
    const { clientId } = packet;
    if (will !== undefined && !this.#authorizer.allows(identity, clientId, 'publish', will.topic))
      return connackCode.notAuthorized;
    if (will !== undefined && !this.#wills.hasRoomFor(will)) return connackCode.unavailable;
    if (!this.#sessions.hasRoomFor(clientId, termsOf(packet))) return connackCode.unavailable;
    return undefined;
  }
}
