/**
 * The terms that a client asks for its session. Clean session of MQTT 3.1.1 sets the first two together; MQTT 5 sets
 * them separately (3.1.2.4, 3.1.2.11.2).
 */
export interface SessionTerms {
  /** An existing session ends, and the client begins a new one. */
  readonly startClean: boolean;
  /** The session ends with its connection. */
  readonly endsWithConnection: boolean;
  /**
   * For a session that outlives its connection: seconds until its end after the connection's end; Infinity = never.
   * Absent: `sessionExpirySec` of all. No transport uses it yet.
   */
  readonly expirySec?: number;
}

/** Clean session 1 of MQTT 3.1.1. */
export const cleanTerms: SessionTerms = Object.freeze({ startClean: true, endsWithConnection: true });
/** Clean session 0. */
export const keptTerms: SessionTerms = Object.freeze({ startClean: false, endsWithConnection: false });
