import type { GatewayProcess } from '../../gateway-process.js';
import type { Reader } from './reader.js';

/** Events of a run: without events, the absence of faults means little. */
export const noCounts = {
  rounds: 0,
  restarts: 0,
  published: 0,
  received: 0,
  polls: 0,
  unrecovered: 0,
  /** Said by `lost` in a stream. */
  lost: 0,
  /** By `recovered: false`, or sent to an id without history while the reader was away. */
  skipped: 0,
  closedByServer: 0,
  evictedByCount: 0,
  evictedByAge: 0,
  evictedByBytes: 0,
};
export type Counts = Readonly<typeof noCounts>;

export function addCounts<Some extends Readonly<Record<keyof Some, number>>>(
  one: Some,
  other: Partial<Some>,
): Some {
  const keys = Object.keys(one) as (keyof Some)[];
  return Object.fromEntries(keys.map((key) => [key, one[key] + (other[key] ?? 0)])) as Some;
}

export async function countsOfServer(gateway: GatewayProcess): Promise<Partial<Counts>> {
  const { count, age, bytes } = (await gateway.stats()).router.history.evicted;
  return { evictedByCount: count, evictedByAge: age, evictedByBytes: bytes };
}

export function countsOfReaders(readers: readonly Reader[]): Partial<Counts> {
  const sum = (of: (reader: Reader) => number) => readers.reduce((sum, reader) => sum + of(reader), 0);
  return {
    received: sum(({ messages }) => messages),
    polls: sum(({ answers }) => answers),
    unrecovered: sum(({ unrecovered }) => unrecovered),
    lost: sum(({ lost }) => lost),
    skipped: sum(({ position }) => position.skipped),
    closedByServer: sum(({ closedByServer }) => closedByServer),
  };
}
