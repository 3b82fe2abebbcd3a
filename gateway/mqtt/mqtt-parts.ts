import type { Router } from '../../router/router.js';
import type { Sessions } from '../../router/session/sessions.js';
import type { Admission } from '../admission.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import type { Connections } from '../connections.js';
import type { Counters } from '../counters.js';
import type { FairTurns } from '../fair-turns.js';
import type { LoginShares } from '../login-shares.js';
import type { Outbound } from '../outbound.js';
import type { SampledLog } from '../sampled-log.js';
import type { ChannelWire } from './channel-wire.js';
import type { ClientClaims } from './client-claims.js';
import type { DeferredPublications } from './deferred-publications.js';
import type { FilterAdmission } from './filter-admission.js';
import type { PendingConnects } from './pending-connects.js';
import type { Presence } from './presence.js';
import type { RateLimits } from './rate-limits.js';
import type { RetainedReplays } from './retained-replays.js';
import type { Rewrite } from './rewrite.js';
import type { Wills } from './wills.js';

/** What the gateway hands to the MQTT room. */
export interface MqttSurroundings {
  readonly router: Router;
  readonly sessions: Sessions;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: SampledLog;
  readonly counters: Counters;
  readonly connections: Connections;
  readonly admission: Admission;
  readonly outbound: Outbound;
  readonly turns: FairTurns;
  readonly loginShares: LoginShares;
}

/** What the MQTT room works with; made once, in mqtt.ts. */
export interface MqttParts extends MqttSurroundings {
  readonly pendingConnects: PendingConnects;
  readonly wire: ChannelWire;
  readonly deferred: DeferredPublications;
  readonly claims: ClientClaims;
  readonly wills: Wills;
  readonly presence: Presence;
  readonly rateLimits: RateLimits;
  readonly replays: RetainedReplays;
  readonly filters: FilterAdmission;
  readonly rewrite: Rewrite;
}
