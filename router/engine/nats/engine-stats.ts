/** What a node knows of NATS and of the other nodes. Plain numbers, counted up since the start unless they say otherwise. */
export interface NatsEngineStats {
  connected: boolean;
  server: string;
  reconnects: number;
  /** Times that NATS ended the connection as this node did not read: what was sent to it meanwhile is lost. */
  slowConsumer: number;
  peers: number;
  interests: number;
  /** Published to other nodes, and taken from them. */
  forwarded: number;
  received: number;
  /** Not published to other nodes, as NATS was away or behind. */
  refused: number;
  /** Came after newer ones of their publisher or stream, whose way had changed: left out. */
  late: number;
  /** Handed to a stream, and not known to be stored there. */
  unstored: number;
  /** No message of this version of Encke. */
  unreadable: number;
  /** Counts that were answered with a node missing. */
  countsTimedOut: number;
}
