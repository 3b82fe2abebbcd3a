import type { InflightEntry } from './inflight-entry.js';
import { weightOf, weightOfReleased } from './weight.js';

/**
 * Messages sent to one client at QoS 1 and 2 and not acknowledged to the end, in the order in which it is to
 * be repeated: messages as they were sent first [MQTT-4.6.0-1], PUBRELs as the PUBRECs came [MQTT-4.6.0-4].
 */
export class InflightWindow {
  readonly #byPacketId = new Map<number, InflightEntry>();
  #bytes = 0;

  get size(): number {
    return this.#byPacketId.size;
  }

  /** See weightOf. */
  get bytes(): number {
    return this.#bytes;
  }

  get(packetId: number): InflightEntry | undefined {
    return this.#byPacketId.get(packetId);
  }

  add(entry: InflightEntry): void {
    this.#byPacketId.set(entry.packetId, entry);
    this.#bytes += entry.message === undefined ? weightOfReleased : weightOf(entry.message);
  }

  /** PUBREC has come: the message is the client's now, and only PUBREL is repeated. */
  release(entry: InflightEntry): void {
    this.remove(entry);
    entry.message = undefined;
    this.add(entry);
  }

  remove(entry: InflightEntry): void {
    this.#byPacketId.delete(entry.packetId);
    this.#bytes -= entry.message === undefined ? weightOfReleased : weightOf(entry.message);
  }

  entries(): Iterable<InflightEntry> {
    return this.#byPacketId.values();
  }
}
