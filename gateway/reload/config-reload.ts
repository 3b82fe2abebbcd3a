import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { ReadSettings } from '../config.js';
import { ConfigError } from '../config-error.js';
import { inconsistencyOf } from '../consistency.js';
import { digestOfFile } from '../file-digest.js';
import { problemOfLimits } from '../memory-limits.js';
import type { NodeRole } from '../role.js';
import type { Config, SettingKey } from '../settings.js';
import { settingKeys } from '../settings.js';
import type { SettingChanges } from './setting-changes.js';

export interface ReloadOutcome {
  /** False where nothing has changed. */
  readonly taken: boolean;
  /** Says which settings have changed, or why none has. */
  readonly sentence: string;
  readonly changed: readonly SettingKey[];
  readonly needRestart: readonly SettingKey[];
  readonly overridden: readonly SettingKey[];
}

/** Authenticators read these files when they are made. A file may get other content under the same name. */
const contentKeys = ['authJwtKeyFile', 'authHttpTokenFile', 'authRedisPasswordFile'] as const;

/** Reads the settings again while the process runs: they are checked whole, and taken whole or not at all. */
export class ConfigReload {
  readonly #config: Config;
  readonly #role: NodeRole;
  readonly #changes: SettingChanges;
  readonly #readAgain: () => ReadSettings;
  readonly #log: Logger;
  /** The digests of the files of `contentKeys` when they were read last. */
  #digests: readonly (string | undefined)[];
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    config: Config,
    role: NodeRole,
    changes: SettingChanges,
    readAgain: () => ReadSettings,
    log: Logger,
  ) {
    this.#config = config;
    this.#role = role;
    this.#changes = changes;
    this.#readAgain = readAgain;
    this.#log = log;
    this.#digests = digestsOf(config);
  }

  /** Reads the settings and takes them. A second reload begins when the first one has ended. Never rejects. */
  reload(): Promise<ReloadOutcome> {
    const outcome = this.#last.then(() => this.#reload());
    this.#last = outcome;
    return outcome;
  }

  async #reload(): Promise<ReloadOutcome> {
    try {
      const outcome = await this.#take(this.#readAgain());
      const { taken: _taken, sentence, ...keys } = outcome;
      this.#log.info(keys, `settings read again: ${sentence}`);
      return outcome;
    } catch (error) {
      const { message: problem } = error as Error;
      const sentence = `Nothing has changed: ${problem}`;
      if (!(error instanceof ConfigError)) this.#log.error({ err: error }, 'the settings cannot be taken');
      this.#log.error({ problem }, 'the settings are not taken: nothing has changed');
      return { taken: false, sentence, changed: [], needRestart: [], overridden: [] };
    }
  }

  /** @throws ConfigError */
  async #take({ config: next, overridden }: ReadSettings): Promise<ReloadOutcome> {
    const different = settingKeys.filter((key) => !isDeepStrictEqual(next[key], this.#config[key]));
    const digests = digestsOf(next);
    const rewritten = contentKeys.filter((key, at) => next[key] !== '' && digests[at] !== this.#digests[at]);
    const live = different.filter((key) => this.#changes.isLive(key, next));
    const changed = [...new Set<SettingKey>([...live, ...rewritten])];
    const needRestart = different.filter((key) => !changed.includes(key));
    const merged = { ...this.#config, ...Object.fromEntries(changed.map((key) => [key, next[key]])) };
    if (needRestart.length > 0) assertGoTogether(merged, this.#role, needRestart);
    const take = await this.#changes.prepare(changed, merged);
    take();
    this.#digests = digests;
    return {
      taken: true,
      sentence: sentenceOf(changed, needRestart, overridden),
      changed,
      needRestart,
      overridden,
    };
  }
}

/** New values beside old ones that wait for a restart must be as good as those of a start. @throws ConfigError */
function assertGoTogether(merged: Config, role: NodeRole, needRestart: readonly SettingKey[]): void {
  const problem = inconsistencyOf(merged, role) ?? problemOfLimits(merged, () => true);
  if (problem === undefined) return;
  throw new ConfigError(
    `${needRestart.join(', ')} would need a restart, and without them the new settings do not go together. ${problem}`,
  );
}

function sentenceOf(
  changed: readonly SettingKey[],
  needRestart: readonly SettingKey[],
  overridden: readonly SettingKey[],
): string {
  const parts = [changed.length === 0 ? 'No setting was changed.' : `Changed: ${changed.join(', ')}.`];
  if (needRestart.length > 0) parts.push(`These wait for a restart: ${needRestart.join(', ')}.`);
  if (overridden.length > 0)
    parts.push(
      `These of the file count for nothing, as a flag or the environment sets them: ${overridden.join(', ')}.`,
    );
  return parts.join(' ');
}

/** A file that cannot be read has no digest: the authenticator that needs it says so. */
function digestsOf(config: Config): readonly (string | undefined)[] {
  return contentKeys.map((key) => digestOfFile(config[key]));
}
