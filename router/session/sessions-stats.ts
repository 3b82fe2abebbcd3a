/** The limit that ended a session of an absent client. */
export type EvictionReason = 'sessions-full' | 'address-full' | 'user-name-full';

/** Why a message did not reach a subscribed client. */
export type SessionDropReason =
  | 'mqueue-full' // its session had maxMqueue waiting
  | 'sessions-bytes' // all sessions together had bytesTotalMax
  | 'qos0-offline' // its client was absent, and mqueueQos0 is off
  | 'connection' // it waited, and its connection then refused it
  | 'session-ended' // its session ended
  | 'session-moved' // its session ended because its client connected to another node
  | 'not-allowed' // its client came back, and its user may not read it
  | 'session-evicted'; // its session ended to make room, because its client was absent

/** Counters since the start, unless they say otherwise. */
export interface SessionsStats {
  /** Sessions, now; those with a client; those that outlive their connection. */
  sessions: number;
  connected: number;
  persistent: number;
  /** Most bytes of sessions in V8's heap, without messages and filters, now. */
  clientsBytes: number;
  /** Bytes in windows and mqueues, now; see weightOf. */
  bytes: number;
  /** Sessions with messages and a client, now. */
  busy: number;
  /** Connections that lost their session to another. */
  takenOver: number;
  /** Sessions that ended because their client connected to another node. */
  moved: number;
  /** Sessions that moved to another node with their messages; that came from one. */
  departed: number;
  adopted: number;
  /** Sessions that expired; that ended because their client wanted a clean one. */
  expired: number;
  discarded: number;
  /**
   * Sessions of absent clients that ended because of maxSessions, clientsBytesMax, or a limit of their address or user
   * name.
   */
  evicted: Record<EvictionReason, number>;
  /** CONNECTs refused by maxSessions or clientsBytesMax, because all sessions had their clients. */
  refused: number;
  /** Messages and PUBRELs sent again. */
  repeated: number;
  /** QoS 2 messages beyond maxAwaitingRel; PUBRELs that did not arrive in time. */
  awaitingRelRefused: number;
  awaitingRelExpired: number;
  /** Sessions past their high watermark, now; how often one reached it. */
  alarms: number;
  alarmsRaised: number;
  dropped: Record<SessionDropReason, number>;
}
