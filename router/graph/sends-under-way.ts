import { assertLimit } from '../arguments.js';
import { isCarried, type Outcome, type Wants } from '../engine/engine.js';

export interface FollowerSendsStats {
  /** Sends that are under way now. */
  underWay: number;
  underWayBytes: number;
  sent: number;
  delivered: number;
  /** Sends that were refused, as too many bytes were under way. */
  refused: number;
}

const tooManyText =
  'too many messages are on their way to followers (--follower-sends-bytes-max): send it again later';

/** Limits and counts the sends to followers that are under way, wherever the graph is. */
export class SendsUnderWay {
  readonly #bytesMax: number;
  readonly stats: FollowerSendsStats = { underWay: 0, underWayBytes: 0, sent: 0, delivered: 0, refused: 0 };

  /** @throws RangeError */
  constructor(followerSendsBytesMax = 64 * 1024 * 1024) {
    assertLimit('followerSendsBytesMax', followerSendsBytesMax);
    this.#bytesMax = followerSendsBytesMax;
  }

  /** @returns whether there was room for the send; if not, its publisher has been told */
  begin(bytes: number, wants: Wants | undefined): boolean {
    const { stats } = this;
    if (stats.underWay > 0 && stats.underWayBytes + bytes > this.#bytesMax) {
      stats.refused++;
      wants?.onOutcome({ delivered: 0, unanswered: 0, carried: 'no', reason: tooManyText });
      return false;
    }
    stats.underWay++;
    stats.underWayBytes += bytes;
    return true;
  }

  /** @param bytes as for `begin` @returns what the publisher is to be told */
  end(bytes: number, outcome: Outcome, isCounted: boolean): Outcome {
    const { stats } = this;
    stats.underWay--;
    stats.underWayBytes -= bytes;
    if (outcome.repeated) return outcome;
    stats.delivered += outcome.delivered;
    if (outcome.carried !== 'yes') return outcome;
    stats.sent++;
    return isCounted ? outcome : isCarried;
  }
}
