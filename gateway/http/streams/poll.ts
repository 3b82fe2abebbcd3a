import type { HttpResponse } from 'uWebSockets.js';
import { Subscriber } from '../../../router/subscriber.js';
import type { CloseReason } from '../../close-reason.js';
import type { Connection, Wire } from '../../connection.js';
import type { ConnectionTransport } from '../../connection-transport.js';
import { addressText, socketAddressText } from '../../peer-address.js';

/** A poll writes once and ends, so it does not use `Outbound`. */
const noWire: Wire = { write: () => true, keepAlive: () => {}, pushThrough: () => true };

/** One waiting long-poll: a subscriber to the router, and a connection to the gateway, until its one answer. */
export abstract class Poll extends Subscriber implements Connection {
  readonly slot: number;
  /** Invalid once the poll is released. */
  readonly response: HttpResponse;

  constructor(slot: number, response: HttpResponse) {
    super();
    this.slot = slot;
    this.response = response;
  }

  get wire(): Wire {
    return noWire;
  }

  /** In the order of the request. */
  get ids(): readonly string[] {
    const { logins } = this;
    if (logins === undefined) return [];
    return typeof logins === 'string' ? [logins] : [...logins];
  }

  get transportName(): ConnectionTransport {
    return 'long-poll';
  }

  describe(): Record<string, unknown> {
    return { ids: this.logins };
  }

  remoteAddress(): string {
    return addressText(this.response);
  }

  /** A poll is short, and the next one comes with the next token. */
  tellExpiry(): boolean {
    return true;
  }

  socketAddress(): string {
    return socketAddressText(this.response);
  }

  abstract onDue(): void;
  abstract review(): void;
  abstract end(reason: CloseReason): void;
  abstract cut(reason: CloseReason): void;
}
