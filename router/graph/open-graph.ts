import { openStore } from '../../store/open-store.js';
import type { Graph } from './graph.js';
import type { GraphLimits } from './graph-limits.js';
import { GraphStore } from './graph-store.js';

/**
 * Opens a graph that is kept in a directory, which no other process may use meanwhile.
 * @param directory made if it is not there
 * @throws StoreError
 */
export function openGraph(directory: string, limits: Partial<GraphLimits> = {}): Promise<Graph> {
  return openStore(directory, (store) => GraphStore.open(store, limits));
}
