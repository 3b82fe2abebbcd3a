/** The files on disk cannot be used, or not be written. The sentence says what to do. */
export class StoreError extends Error {
  readonly code = 'ERR_ENCKE_STORE';
  override readonly name = 'StoreError';
}
