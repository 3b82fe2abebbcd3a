import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { EngineError } from './engine-error.js';
import { historyStreamPrefix } from './history-stream.js';
import { type Link, receiver } from './link.js';
import { beatMs } from './pulse.js';

/**
 * Before a node opens its streams: those of other history rules go, and new ones begin, so that old cursors are known
 * by their epoch. With other rules ids have moved from one stream to another, or more is kept of them than was, and what
 * is there answers no question rightly. Nodes that run with those rules would go on publishing there, so beside them
 * this one does not start.
 * @param fingerprint of this node's rules, which is each stream's description
 * @throws EngineError
 */
export async function retireOtherRules(link: Link, clusterName: string, fingerprint: string): Promise<void> {
  const manager = await jetstreamManager(link.connection).catch(() => undefined);
  if (manager === undefined) return; // without JetStream there are none
  const others = await otherStreams(manager, clusterName, fingerprint);
  if (others.length === 0) return;
  if (await othersRun(link, clusterName)) {
    throw new EngineError(
      `Other nodes named ${clusterName} run with other history rules: give all the same --history-rules, or stop them before this one starts with new ones.`,
    );
  }
  for (const name of others) await manager.streams.delete(name).catch(() => false); // another node was quicker
}

async function otherStreams(
  manager: JetStreamManager,
  clusterName: string,
  fingerprint: string,
): Promise<string[]> {
  const prefix = historyStreamPrefix(clusterName);
  const found: string[] = [];
  for await (const { config } of manager.streams.list()) {
    const isHistory = config.name.startsWith(prefix) && /^\d+$/.test(config.name.slice(prefix.length));
    if (isHistory && config.description !== fingerprint) found.push(config.name);
  }
  return found;
}

/** Of the nodes that are there one speaks every second. */
function othersRun(link: Link, clusterName: string): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (others: boolean) => {
      clearTimeout(timer);
      subscription?.unsubscribe();
      resolve(others);
    };
    const timer = setTimeout(() => end(false), beatMs * 2);
    const subscription = link.subscribe(
      `${clusterName}.node`,
      receiver(() => end(true)),
    );
  });
}
