import type { Store } from './store.js';

/**
 * Opens the store of a directory, and what is kept in it; closes the store again where that fails.
 * @param directory made if it is not there; no other process may use it meanwhile
 * @throws StoreError
 */
export async function openStore<Kept>(
  directory: string,
  open: (store: Store) => Promise<Kept>,
): Promise<Kept> {
  // LMDB takes memory, so it is loaded only where it is used.
  const { LmdbStore } = await import('./lmdb-store.js');
  const store = await LmdbStore.open(directory);
  try {
    return await open(store);
  } catch (error) {
    await store.close();
    throw error;
  }
}
