import type { Logger } from 'pino';
import type { AdminSockets } from './admin-sockets.js';
import type { Kicks } from './cluster/kicks.js';
import type { SubscriberLocations } from './cluster/subscriber-locations.js';
import type { Mqtt } from './mqtt/mqtt.js';
import type { ProbedNode } from './probed-node.js';
import type { ReloadOutcome } from './reload/config-reload.js';
import type { NodeRole } from './role.js';
import type { SharedParts } from './shared-parts.js';
import type { Worker } from './workers/worker.js';

/** A listener of this node, as operators are shown it. */
export interface ListenerState {
  readonly name: string;
  readonly url: string;
  readonly sockets: number;
}

/** The parts of a node that its operator looks at, and changes while it runs. */
export interface OperatedNode extends ProbedNode {
  /** Reads the settings again, checks them whole, and takes them whole or not at all. Never rejects. */
  reload(): Promise<ReloadOutcome>;
  readonly shared: SharedParts;
  readonly role: NodeRole;
  readonly subscriberLocations: SubscriberLocations;
  readonly kicks: Kicks;
  readonly mqtt: Mqtt;
  readonly adminSockets: AdminSockets;
  /** Starts the measurements that run only while an operator looks. */
  watch(): void;
  listeners(): readonly ListenerState[];
  /**
   * Takes no more clients, and ends the connections that there are over this time. Resolves when they have ended; at once
   * where the node takes no clients already.
   */
  drain(drainSec: number): Promise<void>;
  /** False where it is drained already, starts, or stops; whether it could serve them is another question. */
  takesClients(): boolean;
  isDraining(): boolean;
  /** Takes clients again, where it is draining. @throws ListenError */
  undrain(): Promise<void>;
}

/** Opens the operator's listener of a node. @throws ListenError */
export type OpenAdmin = (
  node: OperatedNode,
  log: Logger,
  worker: Worker | undefined,
) => Promise<{ readonly url: string | undefined; stop(): Promise<void> }>;
