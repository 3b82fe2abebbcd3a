import { assertLimit } from '../arguments.js';

/** Names and most defaults are those that operators of emqttd know. */
export interface SessionLimitOptions {
  /** QoS 1 and 2 messages sent to one client and not acknowledged, 1 to 65,535. Default 32. */
  maxInflight?: number;
  /** An unacknowledged message is sent again after this, seconds; 0 = only after a reconnect. Default 60. */
  retryIntervalSec?: number;
  /** QoS 2 messages of one client that await its PUBREL. Default 100. */
  maxAwaitingRel?: number;
  /** A PUBREL that stays out this long while connected is awaited no more, seconds; 0 = awaited as long as the session. Default 0. */
  awaitRelTimeoutSec?: number;
  /** Messages of one session that wait for room in the window. Default 1,000. */
  maxMqueue?: number;
  /** The alarm ends when the mqueue is down to this share of maxMqueue. Default 0.2. */
  mqueueLowWatermark?: number;
  /** The alarm is raised when the mqueue has this share of maxMqueue. Default 0.6. */
  mqueueHighWatermark?: number;
  /** Which message goes when the mqueue is full. Default oldest. */
  mqueueDrop?: 'oldest' | 'newest';
  /** QoS 0 messages are queued for sessions whose client is away. Default false. */
  mqueueQos0?: boolean;
  /** A session whose client stays away this long ends, seconds; 0 = never. Default 172,800 (48 h). */
  sessionExpirySec?: number;
  /** Sessions that outlive their connection; one more ends one whose client is away. Default 100,000. */
  maxSessions?: number;
  /** All sessions without what is under way in them, see weightOfSession, bytes. Default 128 MiB. */
  clientsBytesMax?: number;
  /** Of those, sessions whose client is away, of one address and of one user name; 0 = no limit. Default 50,000 and 0. */
  maxAwayPerAddress?: number;
  maxAwayPerUserName?: number;
  /** All mqueues, windows and what awaits PUBREL together, see weightOf, bytes. Default 256 MiB. */
  bytesTotalMax?: number;
  /** The mqueue of one session, bytes. Default as much as all of them. */
  mqueueBytesMax?: number;
}

export interface SessionLimits extends Required<SessionLimitOptions> {
  /** The watermarks as messages. */
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

/** @throws RangeError where a window could never send, or could run out of packet ids */
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
