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
