/** NATS cannot be reached, or refuses, or is not fit. The message says how to mend it. */
export class EngineError extends Error {
  readonly code = 'ERR_ENCKE_ENGINE';
  override readonly name = 'EngineError';
}
