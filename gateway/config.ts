import { readFileSync } from 'node:fs';
import { closest, distance } from 'fastest-levenshtein';
import { ConfigError } from './config-error.js';
import { inconsistencyOf } from './consistency.js';
import { formerKeys, formerText } from './former-settings.js';
import { fittedToMemory } from './memory-limits.js';
import { unnamedNode } from './node-name.js';
import { isUsed, type NodeRole } from './role.js';
import { flagOf, type Setting } from './setting.js';
import { type Config, type SettingKey, secretKeys, settingKeys, settings } from './settings.js';
import { tokenFrom } from './token-file.js';
import { workerGroupVariable, workerVariable } from './workers/variables.js';

/**
 * Reads the settings from their sources: a flag overrides the environment, the environment the config file, and that
 * the default. A process reads them before its start, and again for each reload.
 */

export { ConfigError } from './config-error.js';
export { flagOf } from './setting.js';
export type { Config } from './settings.js';

/** Variables of the other commands, of the tests, of the workers, and the one that names the config file. */
const otherVariables: ReadonlySet<string> = new Set([
  'ENCKE_CONFIG',
  'ENCKE_URL',
  'ENCKE_API_URL',
  'ENCKE_ADMIN_URL',
  'ENCKE_TEST_SEED',
  workerVariable,
  workerGroupVariable,
]);

/** `apiPort` -> `ENCKE_API_PORT` */
export function environmentNameOf(key: string): string {
  return `ENCKE_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

export interface ConfigSources {
  /** The values of the command line, by the key of the setting; absent where no flag was given. */
  flags?: Partial<Record<string, unknown>>;
  environment?: NodeJS.ProcessEnv;
  /** The path of the config file, which is JSON. */
  file?: string | undefined;
  /** The role of the process. Default: both. */
  role?: NodeRole;
}

/** The settings as their sources have them now. */
export interface ReadSettings {
  readonly config: Config;
  /** Keys of the file that count for nothing, as a flag or the environment sets them. */
  readonly overridden: readonly SettingKey[];
}

/** @throws ConfigError */
export function readConfig(sources: ConfigSources): Config {
  return readSettings(sources).config;
}

/** @throws ConfigError */
export function readSettings(sources: ConfigSources): ReadSettings {
  assertNotFormer(sources.flags ?? {});
  assertVariablesKnown(sources.environment ?? {});
  const file = sources.file === undefined ? {} : readConfigFile(sources.file);
  const config: Record<string, unknown> = {};
  for (const key of settingKeys) {
    const { value, origin } = pick(key, sources, file);
    config[key] = value === undefined ? settings[key].default : parseSetting(key, value, origin);
  }
  const role = sources.role ?? 'both';
  for (const key of secretKeys) config[key] = tokenOf(key, config as Config, role);
  const isSet = (key: SettingKey) => pick(key, sources, file).value !== undefined;
  // An address that somebody has chosen is one that is relied on: a taken port ends the start there.
  if (config.admin === 'auto' && (isSet('adminPort') || isSet('adminHost'))) config.admin = 'true';
  const inconsistency = inconsistencyOf(config as Config, role);
  if (inconsistency !== undefined) throw new ConfigError(inconsistency);
  if (config.engine === 'embedded') assertNoRedis(pick('redis', sources, file));
  const fitted = fittedToMemory(config as Config, isSet);
  if (typeof fitted === 'string') throw new ConfigError(fitted);
  return {
    config: isSet('nodeName') ? fitted : { ...fitted, nodeName: unnamedNode(fitted) },
    overridden: settingKeys.filter(
      (key) => Object.hasOwn(file, key) && pick(key, sources, {}).value !== undefined,
    ),
  };
}

/** Refuses --redis without --engine redis: it would be ignored in silence, and each node would be alone. */
function assertNoRedis({ value, origin }: { value: unknown; origin: string }): void {
  if (value === undefined) return;
  throw new ConfigError(
    `${origin} is set, but --engine is embedded, which uses no Redis: add --engine redis, or leave ${origin} out.`,
  );
}

/**
 * The token of the setting, or of its file. One file of settings serves all roles, so the token file of another role
 * may be missing.
 */
function tokenOf(key: (typeof secretKeys)[number], config: Config, role: NodeRole): string {
  const fileKey = `${key}File` as const;
  const path = config[fileKey];
  if (path === '' || !isUsed(fileKey, role)) return config[key];
  if (config[key] !== '')
    throw new ConfigError(`${flagOf(key)} and ${flagOf(fileKey)} are both set: leave one of them out.`);
  const read = tokenFrom(flagOf(fileKey), path);
  if ('problem' in read) throw new ConfigError(read.problem);
  return read.token;
}

/** Refuses the flags of former settings; commander refuses those that never were. */
function assertNotFormer(flags: Partial<Record<string, unknown>>): void {
  const key = formerKeys.find((former) => flags[former] !== undefined);
  if (key !== undefined) throw new ConfigError(formerText(key, flagOf(key))!);
}

/** Refuses unknown variables: a misspelt one would leave its setting at the default in silence. */
function assertVariablesKnown(environment: NodeJS.ProcessEnv): void {
  const known = new Set([...settingKeys.map(environmentNameOf), ...otherVariables]);
  const unknown = Object.keys(environment).find(
    (name) => name.startsWith('ENCKE_') && environment[name] !== '' && !known.has(name),
  );
  if (unknown === undefined) return;
  const former = formerKeys.find((key) => environmentNameOf(key) === unknown);
  if (former !== undefined) throw new ConfigError(formerText(former, `${unknown} (environment)`)!);
  throw new ConfigError(
    `Unknown variable ${unknown} in the environment${didYouMean(unknown, settingKeys.map(environmentNameOf))}: unset it, or give it the name of a setting; "encke start --help-all" has them all.`,
  );
}

/** Names that differ in more than a third of their letters are no slips of each other; two letters may change places. */
function didYouMean(given: string, names: readonly string[]): string {
  const nearest = closest(given, names);
  return distance(given, nearest) <= Math.max(2, given.length / 3) ? ` (did you mean ${nearest}?)` : '';
}

function pick(key: SettingKey, sources: ConfigSources, file: Record<string, unknown>) {
  const flag = sources.flags?.[key];
  if (flag !== undefined) return { value: flag, origin: flagOf(key) };
  const name = environmentNameOf(key);
  const variable = sources.environment?.[name];
  if (variable !== undefined && variable !== '') return { value: variable, origin: `${name} (environment)` };
  return { value: file[key], origin: `"${key}" in ${sources.file}` };
}

function parseSetting(key: SettingKey, value: unknown, origin: string): unknown {
  const { schema, expects, mistake }: Setting = settings[key];
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const remedy = mistake?.(value);
  if (remedy !== undefined) throw new ConfigError(`${origin} ${remedy}`);
  const got = 'secret' in settings[key] ? '(not shown)' : JSON.stringify(value);
  throw new ConfigError(`${origin} must be ${expects}, not ${got}.`);
}

function readConfigFile(path: string): Record<string, unknown> {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(
      `The config file ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}).`,
    );
  }
  const parsed = parseJson(path, content);
  const unknown = Object.keys(parsed).find((key) => !Object.hasOwn(settings, key));
  if (unknown !== undefined) {
    throw new ConfigError(
      formerText(unknown, `"${unknown}" in ${path}`) ??
        `Unknown key "${unknown}" in ${path}${didYouMean(unknown, settingKeys)}: "encke start --help-all" has them all, with "--api-port" for "apiPort".`,
    );
  }
  return parsed;
}

function parseJson(path: string, content: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content.replace(/^\ufeff/, '')); // editors on Windows put a byte order mark first
  } catch (cause) {
    // The parser's own message quotes the text, which may be a token.
    const position = /position (\d+)/.exec((cause as Error).message)?.[1];
    const where =
      position === undefined ? '' : ` (line ${content.slice(0, Number(position)).split('\n').length})`;
    throw new ConfigError(`The config file ${path} is not JSON${where}.`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ConfigError(`The config file ${path} must hold one JSON object.`);
  }
  return parsed as Record<string, unknown>;
}
