import type { Logger } from 'pino';
import type { AdminSockets } from './admin-sockets.js';
import type { ClusterStats } from './cluster/cluster-stats.js';
import type { Kicks } from './cluster/kicks.js';
import type { SubscriberLocations } from './cluster/subscriber-locations.js';
import type { Mqtt } from './mqtt/mqtt.js';
import type { NodeRole } from './role.js';
import type { SharedParts } from './shared-parts.js';
import type { Stats } from './stats.js';
import type { Worker } from './workers/worker.js';

/** A listener of this node, for its operator. */
export interface ListenerState {
  readonly name: string;
  readonly url: string;
  readonly sockets: number;
}

/** The parts of a node that its operator looks at, and changes while it runs. */
export interface OperatedNode {
  readonly shared: SharedParts;
  readonly role: NodeRole;
  readonly stats: Stats;
  /** Where there may be other nodes. */
  readonly clusterStats: ClusterStats | undefined;
  readonly subscriberLocations: SubscriberLocations;
  readonly kicks: Kicks;
  readonly mqtt: Mqtt;
  readonly adminSockets: AdminSockets;
  /** An operator looks: what is measured only then begins. */
  watch(): void;
  listeners(): readonly ListenerState[];
  /** Why nothing should be sent here now; undefined = it may. */
  whyNotReady(): string | undefined;
  /** It is ready, and an operator is to mend something. */
  warning(): string | undefined;
  /**
   * Takes no more clients, and ends the connections that there are over this time. Resolves when they have ended.
   * @returns false where it takes none already
   */
  drain(drainSec: number): Promise<boolean>;
  isDraining(): boolean;
  /** Takes clients again. @returns false where it does @throws ListenError */
  undrain(): Promise<boolean>;
}

/** Opens what an operator talks to. @throws ListenError */
export type OpenAdmin = (
  node: OperatedNode,
  log: Logger,
  worker: Worker | undefined,
) => Promise<{ readonly url: string | undefined; stop(): Promise<void> }>;
