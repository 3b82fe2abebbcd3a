/**
 * Which tests run on two nodes as well: all of the rooms in test/two-nodes/, but for those that say here that they are
 * about one process, and why. `grep -rn oneProcess test` is the whole list.
 */

/** The servers of this run are two nodes on a redis-server; see `NodePair`. */
export const onTwoNodes = process.env.ENCKE_TEST_NODES === '2';

/** Of the node that connections are at, where no --node-name is given: it is in $SYS topics. */
export const nodeName = onTwoNodes ? 'holder' : 'encke';

/** For a test's options. The reason is one sentence: what on two nodes is not the same, or does not cross. */
export function oneProcess(reason: string): { skip?: string } {
  return onTwoNodes ? { skip: reason } : {};
}

/** At the head of a file none of whose tests is for two nodes; it is not started there. @throws Error when it is */
export function oneProcessFile(reason: string): void {
  if (onTwoNodes) throw new Error(`This file is about one process: ${reason}`);
}

/**
 * A cursor at the so manieth message of each id. On two nodes an offset is a place among those of all ids: it grows
 * with each message, but not by one.
 */
export function cursorAt(...offsets: number[]): RegExp {
  return new RegExp(
    `^[A-Za-z0-9_-]{8,10}:${offsets.map((offset) => (onTwoNodes ? '\\d+' : offset)).join()}$`,
  );
}

/**
 * A marker message that shows a test that all earlier messages have arrived; see `NodePair`. It has four levels, so
 * that few filters match it, and QoS 0, so that no window has it. Clients that subscribe to `#` ignore it.
 */
export const fenceId = 'fence/of/the/tests';
