/** A setting that cannot be used. The sentence names the key, its source and what it must be. */
export class ConfigError extends Error {
  readonly code = 'ERR_ENCKE_CONFIG';
  override readonly name = 'ConfigError';
}
