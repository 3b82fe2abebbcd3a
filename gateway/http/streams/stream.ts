import type { HttpResponse } from 'uWebSockets.js';
import { Subscriber } from '../../../router/subscriber.js';
import type { CloseReason } from '../../close-reason.js';
import type { Connection, Wire } from '../../connection.js';
import type { ConnectionTransport } from '../../connection-transport.js';
import { addressText, socketAddressText } from '../../peer-address.js';
import type { Written } from '../../written.js';
import type { Transport } from './transport.js';

/** One open HTTP stream: a subscriber to the router, a connection to the gateway. */
export abstract class Stream extends Subscriber implements Connection {
  readonly slot: number;
  /** Invalid once the stream is released: uWS frees it with the socket. */
  readonly response: HttpResponse;
  /**
   * One handler for both events of uWS, bound to this stream: `aborted` has no argument, `writable` has an offset. Kept
   * for the second event, which is attached later; a separate function would take 72 bytes.
   */
  onEvent: StreamEvent = ignoreEvent;

  constructor(slot: number, response: HttpResponse) {
    super();
    this.slot = slot;
    this.response = response;
  }

  /** Its ids in the order of the request. */
  get ids(): readonly string[] {
    const { logins } = this;
    if (logins === undefined) return [];
    return typeof logins === 'string' ? [logins] : [...logins];
  }

  abstract get transport(): Transport;
  /** Counts what is written to all streams of its transport. */
  abstract get written(): Written;
  abstract get wire(): Wire;
  abstract get transportName(): ConnectionTransport;
  abstract onDue(): void;
  abstract tellExpiry(endSec: number): boolean;
  abstract review(): void;
  abstract end(reason: CloseReason): void;
  abstract cut(reason: CloseReason): void;

  describe(): Record<string, unknown> {
    return { ids: this.logins };
  }

  remoteAddress(): string {
    return addressText(this.response);
  }

  socketAddress(): string {
    return socketAddressText(this.response);
  }
}

export type StreamEvent = (writeOffset?: number) => boolean;

function ignoreEvent(): boolean {
  return true;
}
