import { ask, batchOf } from '../../gateway/raw-wire.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { connectPacket, publishPacket } from '../../mqtt-bytes.js';
import type { SeededRandom } from '../../seeded-random.js';
import { RawClient } from '../session-model/raw-client.js';
import type { Truth } from './truth.js';

/** Publishes by HTTP, one by one and in batches, and by MQTT at QoS 1; never twice at once to one id. */
export class Publisher {
  readonly #gateway: GatewayProcess;
  readonly #random: SeededRandom;
  readonly #truth: Truth;
  readonly #mqtt: RawClient;
  /** By packet id. */
  readonly #unacknowledged = new Map<number, string>();
  #packetId = 0;
  #closed = false;

  constructor(gateway: GatewayProcess, random: SeededRandom, truth: Truth) {
    this.#gateway = gateway;
    this.#random = random;
    this.#truth = truth;
    this.#mqtt = new RawClient(gateway.port, random, {
      onPacket: (packet) => {
        if (packet.type !== 'PUBACK') return;
        truth.done(this.#unacknowledged.get(packet.id)!);
        this.#unacknowledged.delete(packet.id);
      },
      onClosed: () => undefined,
    });
    this.#mqtt.send(connectPacket('publisher'));
  }

  one(id: string): void {
    if (this.#truth.busy.has(id)) return;
    const text = this.#truth.begin(id, this.#random.pick([10, 100, 5000]));
    this.#truth.busy.add(id);
    if (this.#random.chance(0.5)) return this.#free([id], this.#gateway.send(id, text));
    this.#packetId = (this.#packetId % 65_535) + 1;
    this.#unacknowledged.set(this.#packetId, id);
    this.#mqtt.send(publishPacket(id, text, 1, this.#packetId));
  }

  /** Many in one turn of the server's loop, to all ids that are free. */
  batch(ids: readonly string[], count: number, bytes: number): void {
    const free = ids.filter((id) => !this.#truth.busy.has(id));
    if (free.length === 0) return;
    const messages = Array.from({ length: count }, () => {
      const id = this.#random.pick(free);
      return { id, data: this.#truth.begin(id, bytes) };
    });
    for (const id of free) this.#truth.busy.add(id);
    this.#free(free, this.#sendBatch(batchOf(messages)));
  }

  close(): void {
    this.#closed = true;
    this.#mqtt.drop('reset');
  }

  async #sendBatch(body: string): Promise<void> {
    const answer = await ask(this.#gateway.apiPort, '/send', { method: 'POST', body });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
  }

  /** When the publication is through; one that is under way when the server is killed may fail. */
  #free(ids: readonly string[], published: Promise<unknown>): void {
    published.then(
      () => {
        for (const id of ids) this.#truth.done(id);
      },
      (error: Error) => {
        if (!this.#closed) throw error;
      },
    );
  }
}
