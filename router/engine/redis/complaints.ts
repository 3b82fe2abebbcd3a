/** Redis cannot be reached, or refuses, or is not fit. The message says how to mend it. */
export class EngineError extends Error {
  readonly code = 'ERR_ENCKE_ENGINE';
  override readonly name = 'EngineError';
}

/** First words of the errors that the functions answer with. */
export type FunctionErrorCode = 'LATE' | 'SUPERSEDED' | 'FORMAT' | 'SHARD' | 'ARGUMENT' | 'ID' | 'TOOBIG';
