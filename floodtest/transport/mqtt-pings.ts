/** Parts of the keep-alive time between which a ping is sent, at random: 16,000 connections must not ping at once. */
const PING_AFTER_LEAST = 0.6;
const PING_AFTER_MOST = 0.9;

/** Due pings and unanswered pings by connection, five bytes each. */
export class MqttPings {
  readonly #keepAliveSec: number;
  readonly #startMs = performance.now();
  /** In seconds since the start; 0 while there is nothing to ping. */
  readonly #dueSec: Float32Array;
  readonly #unanswered: Uint8Array;

  /** @param keepAliveSec 0 = none */
  constructor(connections: number, keepAliveSec: number) {
    this.#keepAliveSec = keepAliveSec;
    this.#dueSec = new Float32Array(connections);
    this.#unanswered = new Uint8Array(connections);
  }

  begin(connection: number): void {
    if (this.#keepAliveSec > 0) this.#dueSec[connection] = this.#nextSec(this.#elapsedSec);
  }

  /** PINGRESP. */
  answered(connection: number): void {
    this.#unanswered[connection] = 0;
  }

  end(connection: number): void {
    this.#dueSec[connection] = 0;
    this.#unanswered[connection] = 0;
  }

  /** Pings each connection that is due. A connection without an answer to its last ping is dead. */
  sweep(ping: (connection: number) => void, dead: (connection: number) => void): void {
    const elapsedSec = this.#elapsedSec;
    for (let connection = 0; connection < this.#dueSec.length; connection++) {
      const dueSec = this.#dueSec[connection]!;
      if (dueSec === 0 || dueSec > elapsedSec) continue;
      if (this.#unanswered[connection] === 1) {
        this.#dueSec[connection] = 0;
        dead(connection);
      } else {
        this.#unanswered[connection] = 1;
        this.#dueSec[connection] = this.#nextSec(elapsedSec);
        ping(connection);
      }
    }
  }

  get #elapsedSec(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  #nextSec(elapsedSec: number): number {
    const part = PING_AFTER_LEAST + Math.random() * (PING_AFTER_MOST - PING_AFTER_LEAST);
    return elapsedSec + this.#keepAliveSec * part;
  }
}
