import type { Counters } from '../../counters.js';
import type { Channel } from '../channel.js';
import type { CloseDetails, Closing } from '../closing.js';
import type { Replies } from '../replies.js';
import { type ConnackCode, connack, connackCode } from '../reply-packets.js';

/** Writes CONNACKs, and counts them by their return code. */
export class Connacks {
  readonly #replies: Replies;
  readonly #counters: Counters;

  constructor(replies: Replies, counters: Counters) {
    this.#replies = replies;
    this.#counters = counters;
  }

  accept(channel: Channel, sessionPresent: boolean): void {
    this.#write(channel, connackCode.accepted, sessionPresent);
  }

  /** @returns the reason to close the connection behind it [MQTT-3.2.2-5] */
  refuse(channel: Channel, code: ConnackCode, details: CloseDetails = {}): Closing {
    this.#write(channel, code, false); // without a session [MQTT-3.2.2-4]
    return { reason: 'connect-refused', details: { returnCode: code, ...details } };
  }

  #write(channel: Channel, code: ConnackCode, sessionPresent: boolean): void {
    this.#counters.mqttConnacks[code]!++;
    this.#replies.write(channel, connack(code, sessionPresent));
  }
}
