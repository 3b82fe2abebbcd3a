/** Makes the friends graph of the run as `encke graph generate` does, and sends it to the router as `encke graph import` does. */
import { scaleFreeEdges } from '../../cli/graph/generate.js';
import type { Plan } from './plan.js';

/** Edges, each a line, in one request. */
const edgesPerRequest = 20_000;
const linesEverySec = 5;
const seed = 1;

export interface FriendsLoaded {
  readonly edges: number;
  readonly seconds: number;
}

/** Loads a graph of the ids of the connections, from 1. @throws Error where the router refuses */
export async function loadFriends(
  { connections, followed }: Plan,
  apiUrl: string,
  tell: (text: string) => void,
): Promise<FriendsLoaded> {
  const startedMs = performance.now();
  let toldMs = startedMs;
  let edges = 0;
  let lines: string[] = [];
  const send = async () => {
    const answer = await fetch(`${apiUrl}/graph`, { method: 'POST', body: lines.join('') });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`POST /graph: ${answer.status} ${text.slice(0, 200)}`);
    edges += (JSON.parse(text) as { added: number }).added;
    lines = [];
    if (performance.now() - toldMs < linesEverySec * 1000) return;
    toldMs = performance.now();
    tell(`${edges} edges`);
  };
  for (const [subscriber, subscribee] of scaleFreeEdges(connections, followed, seed)) {
    lines.push(`{"subscriber":"${subscriber}","subscribee":"${subscribee}"}\n`);
    if (lines.length === edgesPerRequest) await send();
  }
  if (lines.length > 0) await send();
  return { edges, seconds: (performance.now() - startedMs) / 1000 };
}
