import type { SessionKey } from './session-context.js';
import type { SessionLimits } from './session-limits.js';
import { weightOfSession } from './weight.js';

/** The number and bytes of a registry's sessions, with their limits. */
export class SessionCapacity {
  readonly #limits: Pick<SessionLimits, 'clientsBytesMax' | 'maxSessions'>;
  /** Sessions that outlive their connection. */
  persistent = 0;
  /** Bytes of all sessions without their messages; see weightOfSession. */
  bytes = 0;

  constructor(limits: Pick<SessionLimits, 'clientsBytesMax' | 'maxSessions'>) {
    this.#limits = limits;
  }

  isFull(endsWithConnection: boolean): boolean {
    const { clientsBytesMax, maxSessions } = this.#limits;
    return this.bytes >= clientsBytesMax || (!endsWithConnection && this.persistent >= maxSessions);
  }

  add({ clientId, endsWithConnection }: SessionKey): void {
    if (!endsWithConnection) this.persistent++;
    this.bytes += weightOfSession(clientId, endsWithConnection);
  }

  remove({ clientId, endsWithConnection }: SessionKey): void {
    if (!endsWithConnection) this.persistent--;
    this.bytes -= weightOfSession(clientId, endsWithConnection);
  }
}
