import type { AuthenticatorChain } from '../../../access/chain.js';
import type { Sessions } from '../../../router/session/sessions.js';
import { isServerTopic } from '../../../router/topic.js';
import type { Config } from '../../config.js';
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
  readonly #config: Config;
  readonly #authenticators: AuthenticatorChain;

  constructor(
    publish: PublishAdmission,
    wills: Wills,
    sessions: Sessions,
    config: Config,
    authenticators: AuthenticatorChain,
  ) {
    this.#publish = publish;
    this.#wills = wills;
    this.#sessions = sessions;
    this.#config = config;
    this.#authenticators = authenticators;
  }

  /**
   * @returns the will under its topic, or why the connection must be closed; undefined where there is none, or where it would
   * go nowhere
   */
  willOf({ will }: ConnectPacket): Will | DetailedClosing | undefined {
    if (will === undefined) return undefined;
    const topic = this.#publish.topicOfWill(will);
    if (typeof topic !== 'string') return topic;
    return isServerTopic(topic) ? undefined : { ...will, topic };
  }

  /** @returns why it is refused, if so */
  refusalOf(packet: ConnectPacket, will: Will | undefined): ConnackCode | undefined {
    const { level, clientId, clean } = packet;
    const refusal = this.#refusalOfUser(packet);
    if (refusal !== undefined) return refusal;
    // [MQTT-3.1.3-8]; and 3.1 has no empty ones at all.
    if (clientId === '' && (!clean || level === protocolLevel.mqtt31)) return connackCode.badClientId;
    if (Buffer.byteLength(clientId) > this.#config.mqttMaxClientIdLength) return connackCode.badClientId;
    if (will !== undefined && !this.#wills.hasRoomFor(will)) return connackCode.unavailable;
    if (!this.#sessions.hasRoomFor(clientId, termsOf(packet))) return connackCode.unavailable;
    return undefined;
  }

  /** Only users that may do everything are let in as yet: rules are not looked at here. */
  #refusalOfUser({ clientId, userName, password }: ConnectPacket): ConnackCode | undefined {
    if (!this.#authenticators.required) return undefined;
    if (password === undefined) return connackCode.notAuthorized;
    const user = userName === undefined ? {} : { userName };
    const decision = this.#authenticators.authenticate({
      transport: 'mqtt',
      address: '',
      clientId,
      password,
      ...user,
    });
    if (decision instanceof Promise || decision.outcome === 'unavailable') return connackCode.unavailable;
    if (decision.outcome === 'refused') return connackCode.badCredentials;
    return decision.identity.isSuperuser ? undefined : connackCode.notAuthorized;
  }
}
