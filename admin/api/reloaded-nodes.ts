import { setTimeout as wait } from 'node:timers/promises';
import type { ReloadOutcome } from '../../gateway/reload/config-reload.js';
import type { Operations } from '../node/node-operations.js';
import type { NodeQuestions } from '../node/questions.js';

/** A node looks for new keys and users, which takes some seconds where a server is away. */
const outcomeMs = 20_000;
const lookMs = 50;

export interface ReloadedNodes {
  readonly nodes: readonly (ReloadOutcome & { readonly node: string })[];
  readonly unanswered: readonly string[];
}

/** Has nodes read their settings again, and waits for what becomes of it. @param names of the nodes; undefined = all */
export async function reloadNodes(
  questions: NodeQuestions,
  names: readonly string[] | undefined,
): Promise<ReloadedNodes> {
  const begun = await questions.ask<Operations['reload']['reply']>({ about: 'reload', nodes: names });
  const unanswered = [...begun.unanswered];
  const outcomes = await Promise.all(
    [...begun.replies].map(async ([node, { number }]) => {
      const outcome = await outcomeOf(questions, node, number);
      if (outcome === undefined) unanswered.push(node);
      return outcome && { node, ...outcome };
    }),
  );
  const nodes = outcomes.filter((outcome) => outcome !== undefined);
  return { nodes: nodes.sort((a, b) => (a.node < b.node ? -1 : 1)), unanswered };
}

async function outcomeOf(
  questions: NodeQuestions,
  node: string,
  number: number,
): Promise<ReloadOutcome | undefined> {
  const endMs = performance.now() + outcomeMs;
  while (performance.now() < endMs) {
    const { replies } = await questions.ask<Operations['reloaded']['reply']>({
      about: 'reloaded',
      details: { number },
      nodes: [node],
    });
    const outcome = replies.get(node)?.outcome;
    if (outcome !== undefined) return outcome;
    await wait(lookMs);
  }
  return undefined;
}
