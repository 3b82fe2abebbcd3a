/**
 * When each message is due. Message k of sender s is due at (k + s / senders) * interval, so the senders' phases are
 * spread evenly; that makes message n of all senders together due at n * interval / senders. One clock therefore
 * serves any number of senders, without a timer or a record for each.
 */

/** A message that is sent more than this after its deadline counts as late. */
export const LATE_AFTER_MS = 100;

export class Schedule {
  /** Time from one message to the next, of all senders together. */
  readonly gapMs: number;
  readonly messagesTotal: number;

  /** @param forMs end of the schedule: later messages are not sent */
  constructor(ratePerSec: number, messagesTotal: number, forMs: number) {
    this.gapMs = 1000 / ratePerSec;
    this.messagesTotal = Math.min(messagesTotal, Math.ceil(forMs / this.gapMs));
  }

  dueAtMs(message: number): number {
    return message * this.gapMs;
  }

  /** How many messages are due once `elapsedMs` have passed. */
  dueBy(elapsedMs: number): number {
    return Math.min(this.messagesTotal, Math.floor(elapsedMs / this.gapMs) + 1);
  }
}
