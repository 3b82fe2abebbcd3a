import { setTimeout as wait } from 'node:timers/promises';
import type { Nodes } from './nodes.js';

/** A CONNECT waits so long for Redis and for the node that had its client id, and nodes for each other. */
export const patienceMs = 2_000;
const retryMs = 50;
/** Client ids of one call. */
const batchMax = 500;

export function inBatches<Item>(items: readonly Item[], sizeMax = batchMax): (readonly Item[])[] {
  const batches = [];
  for (let at = 0; at < items.length; at += sizeMax) batches.push(items.slice(at, at + sizeMax));
  return batches;
}

/**
 * Calls until the answer is as wanted: connections to Redis break for a moment, and a server refuses for one. The call must
 * be one that may run twice. @returns the last answer @throws ShardError the last one, if it was one
 */
export async function insist<Reply>(
  call: () => Promise<Reply>,
  isWanted: (reply: Reply) => boolean = () => true,
  goesOn = () => true,
  waitMs = patienceMs,
): Promise<Reply> {
  const untilMs = performance.now() + waitMs;
  for (;;) {
    try {
      const reply = await call();
      if (isWanted(reply) || performance.now() > untilMs || !goesOn()) return reply;
    } catch (error) {
      if (performance.now() > untilMs || !goesOn()) throw error;
    }
    await wait(retryMs);
  }
}

/** Calls until there is an answer, for as long as a connection lasts. @throws ShardError where it has ended */
export function insistWhile<Reply>(isCurrent: () => boolean, call: () => Promise<Reply>): Promise<Reply> {
  return insist(call, undefined, isCurrent, Infinity);
}

/**
 * Tells a node a word again until the node hears it or is gone. @returns whether the node has heard it
 * @throws ShardError
 */
export function insistToTell(nodes: Nodes, run: string, shard: number, word: Buffer): Promise<boolean> {
  return insist(
    () => nodes.tell(run, shard, word),
    (isHeard) => isHeard,
    () => nodes.isHere(run),
  );
}
