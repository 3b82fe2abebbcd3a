/** Which limit has ended a session whose client is away. */
export type EvictionReason = 'sessions-full' | 'address-full' | 'user-name-full';

/** Why a message did not reach a client that had subscribed to it. */
export type SessionDropReason =
  | 'mqueue-full' // its session had maxMqueue waiting
  | 'sessions-bytes' // all sessions together had bytesTotalMax
  | 'qos0-offline' // its client was away, and mqueueQos0 is off
  | 'connection' // it waited, and its connection refused it then
  | 'session-ended' // it was under way when the session ended
  | 'session-moved' // and when it ended because its client connected to another node
  | 'session-evicted'; // and when it ended to make room, as its client was away

/** Plain numbers, counted up since the start unless they say otherwise. */
export interface SessionsStats {
  /** Sessions, now; those with a client; those that outlive it. */
  sessions: number;
  connected: number;
  persistent: number;
  /** Bytes of sessions in V8's heap at most, without messages and filters, now. */
  clientsBytes: number;
  /** Bytes in windows and mqueues, now; see weightOf. */
  bytes: number;
  /** Sessions with something under way and a client, now. */
  busy: number;
  /** Connections that lost their session to another. */
  takenOver: number;
  /** Sessions that ended because their client has connected to another node. */
  moved: number;
  /** Sessions that went to another node with all that was in them; that came from one. */
  departed: number;
  adopted: number;
  /** Sessions that ended because their client stayed away; because it wanted a clean one. */
  expired: number;
  discarded: number;
  /** Sessions that ended while their client was away: maxSessions or clientsBytesMax was full, or what their address or user name may have. */
  evicted: Record<EvictionReason, number>;
  /** CONNECTs that maxSessions or clientsBytesMax has refused, as all sessions had their clients. */
  refused: number;
  /** Messages and PUBRELs sent again. */
  repeated: number;
  /** QoS 2 messages beyond maxAwaitingRel; PUBRELs that stayed out. */
  awaitingRelRefused: number;
  awaitingRelExpired: number;
  /** Sessions past their high watermark, now; how often one has got there. */
  alarms: number;
  alarmsRaised: number;
  dropped: Record<SessionDropReason, number>;
}
