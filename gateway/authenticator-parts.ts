import type { IdentityCache } from '../access/identity-cache.js';
import type { SlowChecks } from '../access/slow-checks.js';
import type { Config } from './config.js';
import type { SampledLog } from './sampled-log.js';

/** The parts that all authenticators of a gateway share. */
export interface AuthenticatorParts {
  readonly config: Config;
  readonly cache: IdentityCache;
  readonly slowChecks: SlowChecks;
  readonly log: SampledLog;
}
