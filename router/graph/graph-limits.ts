import { assertLimit } from '../arguments.js';
import { idBytesMaxDefault, topicLevelsMaxDefault } from '../topic.js';

export interface GraphLimits {
  /** Most bytes of the graph in the process, in all; see `Graph.bytes`. Default 512 MiB. */
  readonly bytesMax: number;
  /** Most ids that one id may follow: its list is written as a whole. Default 65,536. */
  readonly subscriptionsMax: number;
  /** Longest id in bytes of UTF-8. Default 1,024. */
  readonly idBytesMax: number;
  /** Most levels of an id. Default 128. */
  readonly topicLevelsMax: number;
}

/** @throws RangeError for a limit that is not a whole number */
export function graphLimits(given: Partial<GraphLimits>): GraphLimits {
  const limits = {
    bytesMax: given.bytesMax ?? 512 * 1024 * 1024,
    subscriptionsMax: given.subscriptionsMax ?? 65_536,
    idBytesMax: given.idBytesMax ?? idBytesMaxDefault,
    topicLevelsMax: given.topicLevelsMax ?? topicLevelsMaxDefault,
  };
  for (const [name, value] of Object.entries(limits)) assertLimit(name, value);
  return limits;
}
