import type { Message } from '../message.js';
import { type DeliveryOptions, isRetained, qosIn } from '../subscription-options.js';

/** One message at QoS 1 or 2 that was sent to a client, and is not completely acknowledged. */
export class InflightEntry {
  readonly packetId: number;
  /** Undefined after PUBREC: from then on only PUBREL is repeated. */
  message: Message | undefined;
  readonly options: DeliveryOptions;
  /** It was sent before [MQTT-3.3.1-1]. */
  dup = false;
  /** It waits until it is stored, and is sent then, so that after a restart nothing is sent twice at QoS 2. */
  held = false;
  /** Seconds of the session clock at the last try. */
  sentAtSec: number;

  /** @param options with QoS 1 or 2 */
  constructor(packetId: number, message: Message | undefined, options: DeliveryOptions, sentAtSec: number) {
    this.packetId = packetId;
    this.message = message;
    this.options = options;
    this.sentAtSec = sentAtSec;
  }

  get qos(): 1 | 2 {
    return qosIn(this.options) as 1 | 2;
  }

  get retained(): boolean {
    return isRetained(this.options);
  }
}
