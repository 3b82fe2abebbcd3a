/** End of life of the short-lived connections of one process. */
import { lifeMs } from './mqtt-plan.js';
import { assignmentOf, connectionsOf, numberOf, type Share } from './plan.js';

export class Lifetimes {
  readonly #share: Share;
  /** On the clock of performance.now(); 0 when the connection stays. */
  readonly #endsMs: Float64Array;

  constructor(share: Share) {
    this.#share = share;
    this.#endsMs = new Float64Array(share.mqtt.lives === undefined ? 0 : connectionsOf(share));
  }

  /** The connection has logged in. */
  begin(connection: number): void {
    if (this.#endsMs.length === 0) return;
    const number = numberOf(this.#share, connection);
    if (assignmentOf(this.#share, number).role === 'everything') return;
    const life = lifeMs(this.#share.mqtt.lives, number, this.#share.connections);
    if (life !== undefined) this.#endsMs[connection] = performance.now() + life;
  }

  /** Calls `leave` for each connection whose time is over, until it returns true. */
  end(leave: (connection: number) => boolean): void {
    const nowMs = performance.now();
    for (let connection = 0; connection < this.#endsMs.length; connection++) {
      const endsMs = this.#endsMs[connection]!;
      if (endsMs === 0 || endsMs > nowMs) continue;
      if (leave(connection)) this.#endsMs[connection] = 0;
    }
  }
}
