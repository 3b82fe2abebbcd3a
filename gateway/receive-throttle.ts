import { socketCalls, socketLevel, socketOption } from './libc.js';

/** Waiting bytes of all connections from which senders are held back: some 0.3 s of small packets. */
const holdBytes = 1024 * 1024;
const releaseBytes = holdBytes / 4;
/** Unread bytes at the end of a turn from which a socket counts as a fast sender. */
const unreadBytesMin = 8 * 1024;
/** The kernel raises this to its minimum, some 2 KB. */
const heldReceiveBufferBytes = 1;
/** Descriptors that are looked at in one turn: 1 ms. */
const descriptorsPerTurn = 1_000;

export interface ReceiveThrottleParts {
  /** Normal SO_RCVBUF. */
  readonly receiveBufferBytes: number;
  /** Ports whose sockets are throttled. */
  readonly ports: () => readonly number[];
  /** All descriptors are below this. */
  readonly descriptorsMax: () => number;
}

/**
 * Holds fast senders back while too much waits, because uWS cannot stop reading a WebSocket: their sockets get the
 * smallest receive buffer, and TCP closes the window. uWS does not tell the descriptor of a connection. So a flood is
 * recognized by many unread bytes right after uWS has read everything.
 */
export class ReceiveThrottle {
  readonly #parts: ReceiveThrottleParts;
  readonly #held = new Set<number>();
  #next = 0;

  constructor(parts: ReceiveThrottleParts) {
    this.#parts = parts;
  }

  /** Sockets that are held back, now. */
  get held(): number {
    return this.#held.size;
  }

  /** Called at the end of each turn in which something waits, and of the next one. */
  step(waitingBytes: number): void {
    if (this.#parts.receiveBufferBytes === 0 || socketCalls() === undefined) return;
    if (waitingBytes > holdBytes) this.#hold();
    else if (waitingBytes <= releaseBytes && this.#held.size > 0) this.#release();
  }

  #hold(): void {
    const calls = socketCalls()!;
    const end = Math.min(this.#next + descriptorsPerTurn, this.#parts.descriptorsMax());
    const ports = this.#parts.ports();
    for (let descriptor = this.#next; descriptor < end; descriptor++) {
      if ((calls.bytesUnread(descriptor) ?? 0) < unreadBytesMin) continue;
      const port = calls.localPort(descriptor);
      if (port === undefined || !ports.includes(port)) continue;
      this.#held.add(descriptor);
      calls.setOption(descriptor, socketLevel.socket, socketOption.receiveBuffer, heldReceiveBufferBytes);
    }
    this.#next = end < this.#parts.descriptorsMax() ? end : 0;
  }

  /** Restores the buffers. Skips descriptors that belong to sockets of other ports meanwhile. */
  #release(): void {
    const calls = socketCalls()!;
    const { receiveBufferBytes } = this.#parts;
    const ports = this.#parts.ports();
    for (const descriptor of this.#held) {
      const port = calls.localPort(descriptor);
      if (port === undefined || !ports.includes(port)) continue;
      calls.setOption(descriptor, socketLevel.socket, socketOption.receiveBuffer, receiveBufferBytes);
    }
    this.#held.clear();
  }
}
