import { GroupCommit } from '../store/group-commit.js';
import { openStore } from '../store/open-store.js';
import type { Graph } from './graph/graph.js';
import type { GraphLimits } from './graph/graph-limits.js';
import { GraphStore } from './graph/graph-store.js';
import { RetainedStore } from './retained-store.js';
import { DiskSessionStore } from './session/disk-session-store.js';
import type { SessionStore } from './session/session-store.js';

/** The state that a router keeps on disk besides the graph. */
export interface StoredState {
  /** Acknowledgements wait for these. */
  readonly commits: GroupCommit;
  readonly retained: RetainedStore;
  readonly sessions: SessionStore;
}

/** A graph and other state that are kept in a directory. */
export interface OpenDirectory {
  readonly graph: Graph;
  readonly stored: StoredState;
}

/**
 * Opens the state that is kept in a directory, which no other process may use meanwhile.
 * @param onTrouble told why nothing can be written, and undefined when it can again
 * @throws StoreError
 */
export function openDirectory(
  directory: string,
  limits: Partial<GraphLimits> = {},
  onTrouble: (problem: string | undefined) => void = () => {},
): Promise<OpenDirectory> {
  return openStore(directory, async (store) => {
    const commits = new GroupCommit(store, onTrouble);
    const retained = new RetainedStore(store, commits);
    const sessions = new DiskSessionStore(store, commits);
    return { graph: await GraphStore.open(store, limits), stored: { commits, retained, sessions } };
  });
}
