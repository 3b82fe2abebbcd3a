import type { ClusterNode, NodeRole } from '../cluster.js';

/** A node's entry in the list of nodes, as JSON. Nodes of former versions have not all of it. */
export interface NodeAbout {
  readonly name: string;
  readonly group: string;
  readonly role: NodeRole;
  readonly startedMs: number;
  /** Of history: a digest. */
  readonly rules?: string;
  /** The functions that it calls. */
  readonly library?: string;
  /** It goes soon, and takes no sessions. */
  readonly stopping?: boolean;
  /** It reads messages with extras, see message-format.ts; of nodes from before there were any it is not there. */
  readonly extras?: boolean;
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
