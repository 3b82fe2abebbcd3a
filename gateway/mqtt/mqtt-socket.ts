import type { Peer } from '../peer-address.js';

/** Results of `MqttSocket.send`. */
export const sendStatus = {
  /** It is taken, and waits here until the system takes it. */
  buffered: 0,
  /** The system has taken it. */
  sent: 1,
  /** Nothing of it is taken: more waits already than may. */
  dropped: 2,
} as const;

/**
 * The socket of one MQTT connection. The WebSocket of uWebSockets.js is one as it stands, hence the names: an adapter
 * between the two would be 32 bytes more for each idle connection. MQTT over TCP is a second implementation.
 *
 * - Order: packets go out in the order of `send`.
 * - Buffers: bytes belong to the caller again when `send` returns.
 * - Ends: `end` and `close` tell the owner of the socket before they return; so does an end from outside, once. Nothing is
 *   called after that.
 * - Errors: nothing throws while the socket is open.
 */
export interface MqttSocket extends Peer {
  /** The name in the client's certificate, where --auth certificate asks for one. */
  readonly certificateName?: string;
  /** @param isBinary the kind of a WebSocket's frame [MQTT-6.0.0-1] @returns one of `sendStatus` */
  send(packet: Buffer, isBinary: true): number;
  /** Calls `write` at once; all that is sent in it goes out together. */
  cork(write: () => void): unknown;
  /** Bytes that were sent and that the system has not taken yet. */
  getBufferedAmount(): number;
  /** Ends it behind all that was sent. @param code,reason for its client, where the transport can say them */
  end(code: number, reason: string): void;
  /** Ends it at once. */
  close(): unknown;
}
