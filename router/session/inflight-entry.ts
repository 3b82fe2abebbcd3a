import type { Message } from '../message.js';

/** One message at QoS 1 or 2 on its way to a client: sent, not acknowledged to the end. */
export class InflightEntry {
  readonly packetId: number;
  /** Let go when PUBREC has come: from then on only PUBREL is repeated. */
  message: Message | undefined;
  readonly qos: 1 | 2;
  readonly retained: boolean;
  /** It has been sent before [MQTT-3.3.1-1]. */
  dup = false;
  /** Seconds of the session clock at the last try. */
  sentAtSec: number;

  constructor(
    packetId: number,
    message: Message | undefined,
    qos: 1 | 2,
    retained: boolean,
    sentAtSec: number,
  ) {
    this.packetId = packetId;
    this.message = message;
    this.qos = qos;
    this.retained = retained;
    this.sentAtSec = sentAtSec;
  }
}
