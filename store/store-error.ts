/** The files on disk cannot be used, or not be written. The sentence says what to do. */
export class StoreError extends Error {
  readonly code = 'ERR_ENCKE_STORE';
  override readonly name = 'StoreError';

  /** @param what such as `A session` */
  static damaged(what: string, directory: string, cause: unknown): StoreError {
    const text = `${what} in ${directory} is damaged: restore a copy of that directory, or give --data another one.`;
    return new StoreError(text, { cause });
  }
}
