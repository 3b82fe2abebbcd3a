import { assertLimit } from '../arguments.js';

/** Names and most defaults are those of emqttd. */
export interface SessionLimitOptions {
  /** QoS 1 and 2 messages sent to one client and not acknowledged, 1 to 65,535. Default 32. */
  maxInflight?: number;
  /** An unacknowledged message is sent again after this, seconds; 0 = only after a reconnect. Default 60. */
  retryIntervalSec?: number;
  /** QoS 2 messages of one client that await its PUBREL. Default 100. */
  maxAwaitingRel?: number;
  /** Longest wait for PUBREL while connected, seconds; 0 = as long as the session. Default 0. */
  awaitRelTimeoutSec?: number;
  /** Messages of one session that wait for room in the window. Default 1,000. */
  maxMqueue?: number;
  /** Share of maxMqueue at which the alarm ends. Default 0.2. */
  mqueueLowWatermark?: number;
  /** Share of maxMqueue at which the alarm begins. Default 0.6. */
  mqueueHighWatermark?: number;
  /** Which message goes when the mqueue is full. Default oldest. */
  mqueueDrop?: 'oldest' | 'newest';
  /** Whether QoS 0 messages are queued for absent clients. Default false. */
  mqueueQos0?: boolean;
  /** Seconds until the session of an absent client ends; 0 = never. Default 172,800 (48 h). */
  sessionExpirySec?: number;
  /** Most sessions that outlive their connection; one more ends one of an absent client. Default 100,000. */
  maxSessions?: number;
  /** Bytes of all sessions without their messages, see weightOfSession. Default 128 MiB. */
  clientsBytesMax?: number;
  /** Most sessions of absent clients, of one address and of one user name; 0 = no limit. Default 50,000 and 0. */
  maxAwayPerAddress?: number;
  maxAwayPerUserName?: number;
  /** Bytes of all mqueues, windows and packet ids that await PUBREL, see weightOf. Default 256 MiB. */
  bytesTotalMax?: number;
  /** Bytes of the mqueue of one session. Default: as many as all of them. */
  mqueueBytesMax?: number;
}

export interface SessionLimits extends Required<SessionLimitOptions> {
  /** The watermarks in messages. */
  mqueueLow: number;
  mqueueHigh: number;
}

const defaults: Required<SessionLimitOptions> = {
  maxInflight: 32,
  retryIntervalSec: 60,
  maxAwaitingRel: 100,
  awaitRelTimeoutSec: 0,
  maxMqueue: 1_000,
  mqueueLowWatermark: 0.2,
  mqueueHighWatermark: 0.6,
  mqueueDrop: 'oldest',
  mqueueQos0: false,
  sessionExpirySec: 172_800,
  maxSessions: 100_000,
  clientsBytesMax: 128 * 1024 * 1024,
  maxAwayPerAddress: 50_000,
  maxAwayPerUserName: 0,
  bytesTotalMax: 256 * 1024 * 1024,
  mqueueBytesMax: Number.MAX_SAFE_INTEGER,
};

const wholeNumbers = [
  'retryIntervalSec',
  'maxAwaitingRel',
  'awaitRelTimeoutSec',
  'maxMqueue',
  'sessionExpirySec',
  'maxSessions',
  'maxAwayPerAddress',
  'maxAwayPerUserName',
  'bytesTotalMax',
  'mqueueBytesMax',
] as const;

/**
 * Gives limits that are in use other values, at once; `sessionExpirySec` alone has no effect before the next start.
 * @throws RangeError
 */
export function changeSessionLimits(limits: SessionLimits, options: SessionLimitOptions): void {
  Object.assign(limits, sessionLimits(options));
}

/** @throws RangeError for a window that could never send, or could run out of packet ids */
export function sessionLimits(options: SessionLimitOptions): SessionLimits {
  const limits = { ...defaults, ...options };
  const { maxInflight, maxMqueue, mqueueLowWatermark, mqueueHighWatermark } = limits;
  if (!Number.isInteger(maxInflight) || maxInflight < 1 || maxInflight > 0xffff) {
    throw new RangeError(`maxInflight must be a whole number from 1 to 65,535, not ${maxInflight}.`);
  }
  for (const name of wholeNumbers) assertLimit(name, limits[name]);
  return {
    ...limits,
    mqueueLow: Math.floor(maxMqueue * mqueueLowWatermark),
    mqueueHigh: Math.max(1, Math.ceil(maxMqueue * mqueueHighWatermark)),
  };
}
