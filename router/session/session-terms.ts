/**
 * How a client wants its session. Clean session of MQTT 3.1.1 sets the first two at once; MQTT 5 asks for them one by one
 * (3.1.2.4, 3.1.2.11.2).
 */
export interface SessionTerms {
  /** A session that is there already ends, and the client begins anew. */
  readonly startClean: boolean;
  /** Nothing of it is kept for later. */
  readonly endsWithConnection: boolean;
  /**
   * Of one that outlives its connection: it ends so many seconds after its client has gone, Infinity = never. Absent: as
   * `sessionExpirySec` says for all. No transport asks for one yet.
   */
  readonly expirySec?: number;
}

/** Clean session 1 of MQTT 3.1.1. */
export const cleanTerms: SessionTerms = Object.freeze({ startClean: true, endsWithConnection: true });
/** Clean session 0. */
export const keptTerms: SessionTerms = Object.freeze({ startClean: false, endsWithConnection: false });
