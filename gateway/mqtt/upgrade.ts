import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js';
import type { Admission } from '../admission.js';
import { type Refusal, type RefusalReason, refusals } from '../close-reason.js';
import type { Config } from '../config.js';
import type { ConnectRates } from '../connect-rates.js';
import type { Connections } from '../connections.js';
import type { Counters } from '../counters.js';
import { refuse } from '../http/answer.js';
import { keepAddress } from '../peer-address.js';
import type { SettingChanges } from '../reload/setting-changes.js';
import type { Channel } from './channel.js';
import type { MqttSocket } from './mqtt-socket.js';
import { Origins } from './origins.js';
import type { PendingConnects } from './pending-connects.js';
import type { UpgradeTokens } from './upgrade-tokens.js';

/** The names that MQTT has among WebSocket's subprotocols [MQTT-6.0.0-3]; the second is 3.1's. */
const subprotocols = ['mqtt', 'mqttv3.1'];

export interface UpgradeParts {
  readonly admission: Admission;
  readonly pendingConnects: PendingConnects;
  readonly connectRates: ConnectRates;
  readonly tokens: UpgradeTokens;
  readonly connections: Connections;
  readonly counters: Counters;
  readonly config: Config;
  readonly changes: SettingChanges;
}

/** Makes a WebSocket of an HTTP request, or refuses that and says why. */
export class Upgrade {
  readonly #parts: UpgradeParts;
  readonly #origins: Origins;

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
    this.#origins = new Origins(parts.config);
    parts.changes.on(['mqttAllowOrigin', 'allowedHosts'], (next) => () => this.#origins.take(next));
  }

  readonly handle = (response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void => {
    const { admission, pendingConnects, connectRates, tokens, config } = this.#parts;
    const asked = request
      .getHeader('sec-websocket-protocol')
      .split(',')
      .map((name) => name.trim());
    const subprotocol = subprotocols.find((name) => asked.includes(name));
    const maySayNone = !config.mqttRequireSubprotocol && asked[0] === '';
    if (subprotocol === undefined && !maySayNone) return this.#refuse(response, 'not-mqtt');
    const origin = request.getHeader('origin');
    const host = request.getHeader('host');
    if (!this.#origins.allow(origin, host)) return this.#refuse(response, 'bad-origin');
    const reason =
      admission.refusalOf(response) ??
      (this.#isFull ? 'too-many-connections' : pendingConnects.refusalOf(response, this.#makeRoom));
    if (reason !== undefined) return this.#refuse(response, reason);
    // Here and not with a CONNACK: MQTT.js comes back after this, and after a CONNACK that is no 0 never again by itself.
    const tooFast = connectRates.refusalOf(response);
    if (tooFast !== undefined) return this.#refuse(response, tooFast.reason, tooFast.refusal);
    if (!tokens.read(request, response, this.#origins.mayUseCookies(origin, host)))
      return this.#refuse(response, 'authentication-unavailable');
    response.upgrade(
      { ...keepAddress(response), ...keepName(response) },
      request.getHeader('sec-websocket-key'),
      subprotocol ?? '', // exactly one, of those that were offered [MQTT-6.0.0-4]
      '',
      context,
    );
    tokens.drop(); // unless the WebSocket has taken it, within this call
  };

  /** Whether MQTT has as many connections as it may have, so that it leaves room for streams. */
  get #isFull(): boolean {
    const { counters, config } = this.#parts;
    return config.mqttConnectionsMax > 0 && counters.open['mqtt-ws'] >= config.mqttConnectionsMax;
  }

  /** Not with a close frame: while its peer has not closed it, what uWS has of its frames stays. */
  readonly #makeRoom = (slot: number, details: Record<string, unknown>): void => {
    (this.#parts.connections.slots[slot] as Channel).cut('connect-overdue', details);
  };

  #refuse(response: HttpResponse, reason: RefusalReason, refusal: Refusal = refusals[reason]): void {
    this.#parts.counters.refused[reason]++;
    refuse(response, refusal);
  }
}

/** Keeps the name in the client's certificate for its CONNECT. */
function keepName({ certificateName }: HttpResponse): Pick<MqttSocket, 'certificateName'> {
  return certificateName === undefined ? {} : { certificateName };
}
