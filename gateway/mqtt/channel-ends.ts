import type { Admission } from '../admission.js';
import { type CloseReason, webSocketCodes, webSocketPolicyCode } from '../close-reason.js';
import type { SampledLog } from '../sampled-log.js';
import type { Channel } from './channel.js';
import type { ClientClaims } from './client-claims.js';
import type { CloseDetails } from './closing.js';
import type { ConnectedClients } from './connected-clients.js';
import type { Flapping } from './flapping.js';
import { GoneSocket } from './gone-socket.js';
import type { Inbound } from './inbound.js';
import type { PendingConnects } from './pending-connects.js';
import type { Replies } from './replies.js';
import { TakeoverLoops } from './takeover-loops.js';

export interface ChannelEndsParts {
  readonly inbound: Inbound;
  readonly replies: Replies;
  readonly clients: ConnectedClients;
  readonly claims: ClientClaims;
  readonly admission: Admission;
  readonly flapping: Flapping;
  readonly pendingConnects: PendingConnects;
  readonly log: SampledLog;
}

/** The end of a connection that this side brings about. */
interface Ending {
  readonly reason: CloseReason;
  /** It gets a close frame, and its socket goes with the peer's. */
  readonly lingers: boolean;
  /** All that has come of it is still handled. */
  readonly finishes?: boolean;
  /** No line in the log. */
  readonly quiet?: boolean;
  readonly details?: CloseDetails | undefined;
}

/**
 * Ends MQTT connections. Whatever the cause of an end, the slot is freed, the session let go of, and a will published
 * where one is due (step 8 of the way of a message).
 */
export class ChannelEnds {
  readonly #parts: ChannelEndsParts;
  readonly #takeoverLoops: TakeoverLoops;
  /** While a socket is closed by this side: it calls `gone` before that returns. */
  #ending: Ending | undefined;

  constructor(parts: ChannelEndsParts) {
    this.#parts = parts;
    this.#takeoverLoops = new TakeoverLoops(parts.log);
  }

  /** Client ids that were fought over, since the start. */
  get takeoverLoops(): number {
    return this.#takeoverLoops.named;
  }

  /** Ends it with a close frame that says why. It is released before this returns; its socket goes with the peer's. */
  close(channel: Channel, reason: CloseReason, details?: CloseDetails): void {
    this.#close(channel, { reason, lingers: true, details });
  }

  /** Ends it at once, with whatever its socket still has for it. It is released before this returns. */
  cut(channel: Channel, reason: CloseReason, details?: CloseDetails): void {
    this.#end(channel, { reason, lingers: false, details });
  }

  /** Nothing has come from it for too long, unless something that has come is still to be handled. */
  closeSilent(channel: Channel): void {
    if (this.#parts.inbound.keepsWaiting(channel)) return;
    this.close(channel, channel.session === undefined ? 'idle-timeout' : 'keep-alive-timeout');
  }

  /** Another connection takes its client id. */
  takeOver(channel: Channel, clientId: string): void {
    this.#takeOver(channel, clientId, false);
  }

  /**
   * The same, where something that it has sent is still to be handled: then it is, and the connection ends behind it.
   * @returns false if the connection is ending that way already
   */
  finish(channel: Channel, clientId: string): boolean {
    if (channel.socket instanceof GoneSocket) return false;
    this.#takeOver(channel, clientId, true);
    return true;
  }

  /**
   * It is at its end, whichever side brought that about.
   * @param reason,details of an end from outside
   * @returns whether the socket stays open until its peer has closed it too
   */
  gone(channel: Channel, reason: CloseReason, details: CloseDetails): boolean {
    const ending = this.#ending;
    if (ending === undefined && reason !== 'peer-closed')
      this.#parts.log.warn(reason, { ...channel.describe(), ...details }, 'connection closed');
    const why = ending?.reason ?? reason;
    const release = () => this.#release(channel, this.#ending?.reason ?? why);
    const finishes = ending === undefined || ending.finishes === true;
    if (!finishes || !this.#parts.inbound.finishes(channel, release)) release();
    return ending?.lingers === true;
  }

  #takeOver(channel: Channel, clientId: string, finishes: boolean): void {
    const quiet = !this.#takeoverLoops.note(clientId, channel.remoteAddress());
    const details = channel.session === undefined ? { clientId } : undefined;
    this.#close(channel, { reason: 'taken-over', lingers: true, finishes, quiet, details });
  }

  #close(channel: Channel, ending: Ending): void {
    this.#parts.replies.flush(channel);
    if (channel.isOpen) this.#end(channel, ending);
  }

  #end(channel: Channel, ending: Ending): void {
    const { reason } = ending;
    const line = lineOf(channel, ending);
    const outer = this.#ending;
    this.#ending = ending;
    // Both call `gone`.
    if (ending.lingers) channel.socket.end(webSocketCodes[reason] ?? webSocketPolicyCode, reason);
    else channel.socket.close();
    this.#ending = outer;
    if (line !== undefined) this.#parts.log.warn(reason, line, 'connection closed');
  }

  #release(channel: Channel, reason: CloseReason): void {
    const { inbound, replies, pendingConnects, flapping, admission, claims, clients } = this.#parts;
    inbound.release(channel);
    pendingConnects.leave(channel.slot);
    replies.release(channel);
    flapping.note(channel, reason);
    admission.leave(channel, reason);
    claims.release(channel);
    clients.detach(channel, reason);
  }
}

/** For the log, while the socket is open; good ends and ends of a stop are not logged. */
function lineOf(channel: Channel, { reason, quiet, details }: Ending): CloseDetails | undefined {
  if (quiet || reason === 'disconnected' || reason === 'server-stopping') return undefined;
  return { ...channel.describeWithAddress(), ...details };
}
