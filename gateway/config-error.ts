/** A setting that cannot be used: the sentence names the key, where it came from and what it must be. */
export class ConfigError extends Error {
  readonly code = 'ERR_ENCKE_CONFIG';
  override readonly name = 'ConfigError';
}
