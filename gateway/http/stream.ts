import type { HttpResponse } from 'uWebSockets.js';
import type { Message } from '../../router/message.js';
import { type Delivery, Subscriber } from '../../router/subscriber.js';
import { addressText } from '../address-limit.js';
import type { CloseReason } from '../close-reason.js';
import type { Connection } from '../connections.js';
import type { Streams } from '../streams.js';
import type { StreamWire } from './stream-wire.js';
import type { Transport } from './transport.js';

/** One open HTTP stream: a subscriber to the router, a connection to the gateway. */
export abstract class Stream extends Subscriber implements Connection {
  readonly slot: number;
  /** Invalid once the stream is released: uWS frees it with the socket. */
  readonly response: HttpResponse;
  /**
   * One handler for both of uWS's events, bound to this stream: aborted has no argument, writable has an offset.
   * Kept for the second, which is attached later; a function of its own for that would be 72 bytes.
   */
  onEvent: StreamEvent = ignoreEvent;

  constructor(slot: number, response: HttpResponse) {
    super();
    this.slot = slot;
    this.response = response;
  }

  /** As asked for, in order. */
  get ids(): readonly string[] {
    const { logins } = this;
    if (logins === undefined) return [];
    return typeof logins === 'string' ? [logins] : [...logins];
  }

  abstract get transport(): Transport;
  abstract get wire(): StreamWire;
  abstract onDue(): void;
  abstract end(reason: CloseReason): void;
  abstract cut(reason: CloseReason): void;

  describe(): Record<string, unknown> {
    return { ids: this.logins };
  }

  remoteAddress(): string {
    return addressText(this.response);
  }
}

export type StreamEvent = (writeOffset?: number) => boolean;

function ignoreEvent(): boolean {
  return true;
}

export type StreamClass = new (slot: number, response: HttpResponse) => Stream;

/** A class for each transport, so that what its streams share is no field of every stream (8 bytes each). */
export function streamClass(transport: Transport, streams: Streams): StreamClass {
  const { wire } = streams;
  return class extends Stream {
    override get transport(): Transport {
      return transport;
    }
    override get wire(): StreamWire {
      return wire;
    }
    override deliver(message: Message): Delivery {
      return streams.deliver(this, message);
    }
    override onDue(): void {
      streams.heartbeat(this);
    }
    override end(reason: CloseReason): void {
      streams.end(this, reason);
    }
    override cut(reason: CloseReason): void {
      streams.close(this, reason);
    }
  };
}
