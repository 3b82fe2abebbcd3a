import type { Admission } from '../admission.js';
import type { Connections } from '../connections.js';
import { type Channel, type ChannelParts, channelClass } from './channel.js';
import type { Deadlines } from './deadlines.js';
import type { MqttSocket } from './mqtt-socket.js';
import type { PendingConnects } from './pending-connects.js';
import type { UpgradeTokens } from './upgrade-tokens.js';

/** Opens MQTT connections. */
export class Channels {
  readonly #class: ReturnType<typeof channelClass>;
  readonly #connections: Connections;
  readonly #admission: Admission;
  readonly #pendingConnects: PendingConnects;
  readonly #deadlines: Deadlines;
  readonly #tokens: UpgradeTokens;

  constructor(
    parts: ChannelParts & { readonly connections: Connections },
    admission: Admission,
    pendingConnects: PendingConnects,
    deadlines: Deadlines,
    tokens: UpgradeTokens,
  ) {
    this.#class = channelClass(parts);
    this.#connections = parts.connections;
    this.#admission = admission;
    this.#pendingConnects = pendingConnects;
    this.#deadlines = deadlines;
    this.#tokens = tokens;
  }

  /** A socket that was let in, in the same turn: the slot is there. */
  open(socket: MqttSocket): Channel {
    const channel = new this.#class(this.#connections.take(), socket);
    this.#admission.enter(channel, socket);
    this.#pendingConnects.enter(channel.slot, socket);
    this.#tokens.begin(channel);
    this.#deadlines.awaitConnect(channel);
    return channel;
  }
}
