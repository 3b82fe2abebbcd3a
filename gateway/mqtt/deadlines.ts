import { type Clock, ticksPerSec } from '../clock.js';
import type { Connections } from '../connections.js';
import type { Channel } from './channel.js';
import type { PendingConnects } from './pending-connects.js';

/** A keep-alive counts one and a half times [MQTT-3.1.2-24]. */
const keepAliveFactor = 1.5;

/**
 * Keeps the time by which something must come from each client, in the `due` column of Connections: CONNECT, and then a packet
 * within its keep-alive.
 */
export class Deadlines {
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #pendingConnects: PendingConnects;
  /** The keep-alives with the factor applied, and one for the tick that has begun already; 0 = off. */
  readonly #keepAliveTicks: Uint32Array;

  constructor(connections: Connections, clock: Clock, pendingConnects: PendingConnects) {
    this.#connections = connections;
    this.#clock = clock;
    this.#pendingConnects = pendingConnects;
    this.#keepAliveTicks = new Uint32Array(connections.capacity);
  }

  /** A connection has opened; it has a while to say CONNECT. */
  awaitConnect({ slot }: Channel): void {
    this.#connections.due[slot] = this.#clock.tick + this.#pendingConnects.connectTicks;
  }

  /** The client has sent CONNECT in time, and its CONNECT waits for this server: no deadline. */
  suspend({ slot }: Channel): void {
    this.#connections.due[slot] = 0;
  }

  /** `suspend` for a client whose user is known: it no longer counts as pending. */
  release(channel: Channel): void {
    this.#pendingConnects.leave(channel.slot);
    this.suspend(channel);
  }

  /** CONNECT is accepted: the keep-alive stands in the place of the deadline for CONNECT. */
  keepAlive(channel: Channel, keepAliveSec: number): void {
    this.release(channel);
    const ticks = keepAliveSec === 0 ? 0 : Math.ceil(keepAliveSec * keepAliveFactor * ticksPerSec) + 1;
    this.#keepAliveTicks[channel.slot] = ticks;
    this.heard(channel);
  }

  /** The keep-alive of a connection, as its client has asked for it; 0 = none. */
  keepAliveSecOf(slot: number): number {
    const ticks = this.#keepAliveTicks[slot]!;
    return ticks === 0 ? 0 : Math.round((ticks - 1) / keepAliveFactor / ticksPerSec);
  }

  /** The client is alive: its keep-alive begins again. */
  heard({ slot }: Channel): void {
    const ticks = this.#keepAliveTicks[slot]!;
    if (ticks > 0) this.#connections.due[slot] = this.#clock.tick + ticks;
  }
}
