import type { Graph } from './graph.js';
import type { GraphLimits } from './graph-limits.js';

/**
 * Opens a graph that is kept in a directory, which no other process may use meanwhile.
 * @param directory made if it is not there
 * @throws StoreError
 */
export async function openGraph(directory: string, limits: Partial<GraphLimits> = {}): Promise<Graph> {
  // LMDB takes memory, so it is loaded only where it is used.
  const { LmdbStore } = await import('../../store/lmdb-store.js');
  const { GraphStore } = await import('./graph-store.js');
  const store = await LmdbStore.open(directory);
  try {
    return await GraphStore.open(store, limits);
  } catch (error) {
    await store.close();
    throw error;
  }
}
