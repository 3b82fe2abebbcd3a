import type { ClusterNode, NodeRole } from '../cluster.js';

/** A node's entry in the list of nodes, as JSON. */
export interface NodeAbout {
  readonly name: string;
  readonly group: string;
  readonly role: NodeRole;
  readonly startedMs: number;
  /** Of history: a digest. */
  readonly rules?: string;
  /** It goes soon, and takes no sessions. */
  readonly stopping?: boolean;
}

export type PeerNode = ClusterNode & NodeAbout;

/** @param run in hex */
export function nodeOf(run: string, about: NodeAbout): PeerNode {
  return { ...about, run: Number.parseInt(run, 16) };
}

/** @returns undefined where it has gone, or nobody knows what that is */
export function aboutIn(text: string): NodeAbout | undefined {
  try {
    const about = JSON.parse(text) as NodeAbout;
    return typeof about.name === 'string' ? about : undefined;
  } catch {
    return undefined; // '' = it has gone
  }
}
