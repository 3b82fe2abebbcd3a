import { createHmac, randomBytes } from 'node:crypto';
import type { Identity } from '../../access/identity.js';
import type { CloseReason } from '../close-reason.js';
import type { Config } from '../config.js';
import type { Identities } from '../identities.js';
import type { SampledLog } from '../sampled-log.js';
import type { Channel } from './channel.js';
import { isMadeHere } from './client-id.js';
import { loggedText } from './logged-text.js';

export interface FlappingOptions {
  /** So many ends within the window are not too many; 0 = nobody is held off. */
  readonly maxCount: number;
  readonly windowSec: number;
  readonly holdSec: number;
}

/** The options follow the settings, also when those change. */
export function flappingOptionsOf(config: Config): FlappingOptions {
  return {
    get maxCount() {
      return config.mqttFlappingMaxCount;
    },
    get windowSec() {
      return config.mqttFlappingWindowTime;
    },
    get holdSec() {
      return config.mqttFlappingBanTime;
    },
  };
}

/** These ends are no sign of a client in trouble: it has said DISCONNECT, or this side wants it to come back. */
const goodEnds: ReadonlySet<CloseReason> = new Set([
  'disconnected',
  'server-stopping',
  'credentials-expired',
]);

/** The table has so many sets of places: a power of two, so that hashes spread evenly. */
const sets = 1 << 14;
/** A set has so many places: a client id may be in any of them. */
const ways = 4;

/**
 * Holds off client ids whose connections end again and again, other than by DISCONNECT: a client in a loop, or two that
 * throw each other out. Such a client id is held off for a while; a connection that it has then is left to it, so a
 * fight over it is over. Clients that come for one message each and say DISCONNECT, as scripts do, are never held off.
 *
 * Nothing is stored for a connection. A client id whose connection has ended takes 14 bytes in a table of fixed size
 * (0.9 MB; untouched pages of it take no memory), by a hash of it and of its user: so another user cannot have it held
 * off. Where the table has no place, a client id with fewer ends gives way.
 */
export class Flapping {
  readonly #options: FlappingOptions;
  readonly #identities: Identities;
  readonly #log: SampledLog;
  readonly #nowSec: () => number;
  readonly #secret = randomBytes(32);
  /** 0 = free. */
  readonly #tags = new Uint32Array(sets * ways);
  readonly #ends = new Uint16Array(sets * ways);
  readonly #sinceSec = new Uint32Array(sets * ways);
  /** 0 = not held off. */
  readonly #heldUntilSec = new Uint32Array(sets * ways);
  /** Nobody is held off after this time. */
  #anyHeldUntilSec = 0;
  /** Client ids that were held off, since the start. */
  heldOff = 0;

  /** @param nowSec a clock that never goes back, in whole seconds */
  constructor(
    options: FlappingOptions,
    identities: Identities,
    log: SampledLog,
    nowSec = () => Math.floor(performance.now() / 1000),
  ) {
    this.#options = options;
    this.#identities = identities;
    this.#log = log;
    this.#nowSec = nowSec;
  }

  /** The connection ends. Call it while its identity is known. */
  note(channel: Channel, reason: CloseReason): void {
    const { session, slot } = channel;
    if (session === undefined || this.#options.maxCount === 0) return;
    if (goodEnds.has(reason) || isMadeHere(session.clientId)) return;
    this.noteEnd(session.clientId, this.#identities.of(slot), reason);
  }

  noteEnd(clientId: string, identity: Identity, reason: CloseReason): void {
    const { maxCount, windowSec, holdSec } = this.#options;
    const nowSec = this.#nowSec();
    const { first, tag } = this.#hashOf(clientId, identity);
    let place = this.#find(first, tag);
    if (place === undefined) {
      place = this.#leastOf(first, nowSec);
      this.#tags[place] = tag;
      this.#ends[place] = 0;
      this.#heldUntilSec[place] = 0;
    }
    if (this.#ends[place] === 0 || nowSec - this.#sinceSec[place]! >= windowSec) {
      this.#ends[place] = 0;
      this.#sinceSec[place] = nowSec;
    }
    const ends = Math.min(this.#ends[place]! + 1, 0xffff);
    this.#ends[place] = ends;
    if (ends <= maxCount || this.#heldUntilSec[place]! > nowSec) return;
    this.#heldUntilSec[place] = nowSec + holdSec;
    this.#anyHeldUntilSec = Math.max(this.#anyHeldUntilSec, nowSec + holdSec);
    this.heldOff++;
    this.#log.warn(
      'flapping',
      {
        clientId: loggedText(clientId),
        lastEnd: reason,
        ends,
        windowSec,
        holdSec,
        setting: '--mqtt-flapping-max-count',
      },
      'the connections of this client id end again and again: it is held off for a while. Two clients may have it, or one does what has it closed each time',
    );
  }

  /** Whether the client id of this user is held off. */
  holds(clientId: string, identity: Identity): boolean {
    const nowSec = this.#nowSec();
    if (nowSec >= this.#anyHeldUntilSec) return false;
    const { first, tag } = this.#hashOf(clientId, identity);
    const place = this.#find(first, tag);
    return place !== undefined && this.#heldUntilSec[place]! > nowSec;
  }

  #find(first: number, tag: number): number | undefined {
    for (let place = first; place < first + ways; place++) if (this.#tags[place] === tag) return place;
    return undefined;
  }

  /** @returns the place of a set that is given up for a new client id */
  #leastOf(first: number, nowSec: number): number {
    let least = first;
    for (let place = first + 1; place < first + ways; place++)
      if (this.#weightOf(place, nowSec) < this.#weightOf(least, nowSec)) least = place;
    return least;
  }

  #weightOf(place: number, nowSec: number): number {
    const heldSec = this.#heldUntilSec[place]! - nowSec;
    if (heldSec > 0) return 0x10000 + heldSec;
    return nowSec - this.#sinceSec[place]! >= this.#options.windowSec ? 0 : this.#ends[place]!;
  }

  #hashOf(clientId: string, { userName = '' }: Identity): { first: number; tag: number } {
    const hash = createHmac('sha256', this.#secret)
      .update(`${clientId.length} ${clientId}${userName}`)
      .digest();
    return { first: (hash.readUInt32LE(0) % sets) * ways, tag: Math.max(1, hash.readUInt32LE(4)) };
  }
}
