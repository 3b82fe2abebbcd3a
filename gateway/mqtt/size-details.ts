import { levelsOf } from '../../router/topic.js';
import { type Config, flagOf } from '../config.js';
import type { SettingKey } from '../settings.js';

/** Gives the fields of a log line: how large something was, and which setting says how large it may be. */
export function sizeDetails(
  config: Config,
  key: SettingKey,
  bytes?: number,
  limit: unknown = config[key],
): Record<string, unknown> {
  return { ...(bytes !== undefined && { bytes }), setting: flagOf(key), limit };
}

/** An id or filter with such a fault is larger than this server accepts. */
export type IdSizeProblem = 'too-long' | 'too-many-levels';

/** Gives the fields of a log line about an id or filter with such a fault. */
export function idSizeDetails(config: Config, problem: IdSizeProblem, text: string): Record<string, unknown> {
  return problem === 'too-long'
    ? sizeDetails(config, 'idBytesMax', Buffer.byteLength(text))
    : { levels: levelsOf(text), ...sizeDetails(config, 'topicLevelsMax') };
}
