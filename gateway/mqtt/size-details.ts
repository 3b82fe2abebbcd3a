import { levelsOf } from '../../router/topic.js';
import { type Config, flagOf } from '../config.js';
import type { SettingKey } from '../settings.js';

/** For a log line: how large something was, and which setting says how large it may be. */
export function sizeDetails(
  config: Config,
  key: SettingKey,
  bytes?: number,
  limit: unknown = config[key],
): Record<string, unknown> {
  return { ...(bytes !== undefined && { bytes }), setting: flagOf(key), limit };
}

/** Faults of an id or filter that is larger than this server accepts. */
export type IdSizeProblem = 'too-long' | 'too-many-levels';

/** The same for an id or filter. */
export function idSizeDetails(config: Config, problem: IdSizeProblem, text: string): Record<string, unknown> {
  return problem === 'too-long'
    ? sizeDetails(config, 'idBytesMax', Buffer.byteLength(text))
    : { levels: levelsOf(text), ...sizeDetails(config, 'topicLevelsMax') };
}
