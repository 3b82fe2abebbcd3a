import type { ClusterNode, NodeRole } from '../cluster.js';

/** A node's entry in the list of nodes, as JSON. */
export interface NodeAbout {
  readonly name: string;
  readonly group: string;
  readonly role: NodeRole;
  readonly startedMs: number;
  /** It goes soon, and takes no sessions. */
  readonly stopping?: boolean;
  /** It reads messages with extras, see message-format.ts; of nodes from before there were any it is not there. */
  readonly extras?: boolean;
}

/** @param run in hex */
export function nodeOf(run: string, { name, group, role, startedMs }: NodeAbout): ClusterNode {
  return { run: Number.parseInt(run, 16), name, group, role, startedMs };
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
