/** Outcomes of the connections of one process: counts, and counts by reason. */
import { noCounts, type Reasons } from './counts.js';

export class Outcomes {
  readonly counts = noCounts();
  readonly refusals: Reasons = {};
  readonly failures: Reasons = {};
  readonly closures: Reasons = {};

  refused(reason: string): void {
    this.counts.refused++;
    count(this.refusals, reason);
  }

  failed(reason: string): void {
    this.counts.failed++;
    count(this.failures, reason);
  }

  /** Was connected. */
  closed(reason: string): void {
    this.counts.connected--;
    this.counts.closed++;
    count(this.closures, reason);
  }

  /** Was connected. */
  disconnected(): void {
    this.counts.connected--;
    this.counts.disconnected++;
  }

  /** Was connected. */
  cut(): void {
    this.counts.connected--;
    this.counts.cut++;
  }
}

function count(reasons: Reasons, reason: string): void {
  reasons[reason] = (reasons[reason] ?? 0) + 1;
}
