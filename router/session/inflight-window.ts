import type { InflightEntry } from './inflight-entry.js';
import { weightOf, weightOfReleased } from './weight.js';

/**
 * Messages at QoS 1 and 2 that were sent to one client and are not completely acknowledged, in the order of repeats:
 * messages as they were first sent [MQTT-4.6.0-1], PUBRELs in the order of the PUBRECs [MQTT-4.6.0-4].
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
    this.#bytes += weightOfEntry(entry);
  }

  /** PUBREC: the client has the message, and only PUBREL is repeated. */
  release(entry: InflightEntry): void {
    this.remove(entry);
    entry.message = undefined;
    this.add(entry);
  }

  remove(entry: InflightEntry): void {
    this.#byPacketId.delete(entry.packetId);
    this.#bytes -= weightOfEntry(entry);
  }

  entries(): Iterable<InflightEntry> {
    return this.#byPacketId.values();
  }
}

function weightOfEntry({ message }: InflightEntry): number {
  return message === undefined ? weightOfReleased : weightOf(message);
}
