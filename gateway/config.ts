import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { idBytesMaxDefault } from '../router/topic.js';
import { clusterSettings } from './cluster-settings.js';
import { inconsistencyOf } from './consistency.js';
import { mqttSettings } from './mqtt/settings.js';
import type { NodeRole } from './role.js';
import {
  anyCount,
  listOf,
  mebibyte,
  oneOf,
  port,
  type Setting,
  setting,
  text,
  wholeNumber,
} from './setting.js';
import { workerGroupVariable, workerVariable } from './workers/variables.js';

/**
 * Every setting of the gateway, its default, unit and reason, and where a value may come from:
 * flag over environment over config file over default. Owns nothing at run time: read once, before the start.
 */

export const settings = {
  host: setting(
    text('an address', /\S/),
    '127.0.0.1',
    'address the gateway listens on; 0.0.0.0 for everybody, which needs --mqtt-token, --mqtt false or --mqtt-allow-anonymous true',
  ),
  port: setting(port, 8000, 'port of the gateway; 0 takes a free one'),
  apiHost: setting(
    text('an address', /\S/),
    '127.0.0.1',
    'address the router API listens on; anything but loopback needs --api-token',
  ),
  apiPort: setting(port, 8001, 'port of the router API; 0 takes a free one'),
  apiToken: {
    ...setting(
      text('at least 16 printable characters without spaces', /^$|^[\x21-\x7e]{16,}$/),
      '',
      'when set, the router API wants "Authorization: Bearer <token>"',
    ),
    secret: true,
  },
  apiAllowOrigin: setting(
    listOf('origins such as https://example.com, comma-separated', /^https?:\/\/[^/\s]+$/),
    [],
    "web origins whose pages may call the router API, besides the gateway's own",
  ),
  connectionsMax: setting(
    anyCount,
    0,
    'open streams in all; 0 = the descriptor limit less a reserve. Past it: 503',
  ),
  connectionsPerAddressMax: setting(
    anyCount,
    0,
    'open streams from one source address (IPv6: one /64); 0 = no limit, as behind a proxy all share one. Past it: 429',
  ),
  idsPerConnectionMax: setting(wholeNumber(1, 10_000), 64, 'ids one stream may be logged in as'),
  idBytesMax: setting(wholeNumber(1, 65_535), idBytesMaxDefault, 'longest id, bytes of UTF-8'),
  // 50 bytes for each in the trees of filters and of retained messages: at 128 levels a filter would take 6.6 KB.
  topicLevelsMax: setting(
    wholeNumber(1, 1024),
    32,
    'most levels (parts between slashes) of an id or a topic filter',
  ),
  messageBytesMax: setting(
    wholeNumber(1, 16 * mebibyte),
    65_536,
    "largest message, bytes; 64 KiB is also MQTT brokers' usual limit",
  ),
  batchBytesMax: setting(
    wholeNumber(1, 64 * mebibyte),
    4 * mebibyte,
    'largest body of POST /send with many messages, bytes',
  ),
  requestHeadBytesMax: setting(
    wholeNumber(1024, 65_536),
    4096,
    'largest request line and headers, bytes. Past it: 431',
  ),
  bodyTimeoutSec: setting(
    wholeNumber(1, 7),
    7,
    'a request body that stalls this long is answered 408, seconds; below the 8 after which the socket is cut without a word',
  ),
  heartbeatSec: setting(
    wholeNumber(0, 86_400),
    45,
    'an idle stream gets a newline this often, seconds; under the minute after which proxies close; 0 = never',
  ),
  pendingBytesMax: setting(
    wholeNumber(1024, 1024 * mebibyte),
    mebibyte,
    'what is kept for one slow consumer before the policy strikes, bytes',
  ),
  pendingBytesTotalMax: setting(
    wholeNumber(1024, 1024 * 1024 * mebibyte),
    128 * mebibyte,
    'what is kept for all slow consumers together, bytes',
  ),
  slowConsumerPolicy: setting(
    oneOf(['disconnect', 'drop-newest', 'drop-oldest']),
    'disconnect',
    'what becomes of a slow consumer at its limit; drops are announced in the stream',
  ),
  historyRules: setting(
    listOf('rules "<filter> <messages> <seconds>", separated by ;', /^\S+ \d{1,9} \d{1,9}$/, ';'),
    ['# 100 60'],
    'how many of the last messages of an id are kept for who comes back, and how long; the first rule whose filter matches; 0 messages = none',
  ),
  historyBytesTotalMax: setting(
    wholeNumber(0, 1024 * 1024 * mebibyte),
    64 * mebibyte,
    'history of all ids together, bytes; the ids that were published to longest ago go first',
  ),
  pollTimeoutSec: setting(
    wholeNumber(0, 86_400),
    25,
    'how long a poll waits when it does not say, seconds; under the half minute after which some proxies give up',
  ),
  pollTimeoutSecMax: setting(wholeNumber(0, 86_400), 120, 'how long a poll may ask to wait, seconds'),
  allowOrigin: setting(
    listOf('origins such as https://example.com, comma-separated, or *', /^(\*|https?:\/\/[^/\s]+)$/),
    [],
    "web origins whose pages may read streams and polls, besides the gateway's own; * = any",
  ),
  drainSec: setting(
    wholeNumber(0, 3600),
    5,
    'on SIGTERM, streams are ended spread over this time, so that clients do not all reconnect at once, seconds',
  ),
  reclaimAfterClosed: setting(
    anyCount,
    5_000,
    'when this many streams have closed and it is quiet again, memory is given back to the system (a pause of tens of ms); 0 = never',
  ),
  reclaimAfterMessages: setting(
    wholeNumber(0, 1_000_000_000_000),
    500_000,
    'the same when this many messages have been written; 0 = never',
  ),
  logLevel: setting(
    oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'silent']),
    'info',
    'least level that is logged',
  ),
  ...clusterSettings,
  ...mqttSettings,
} satisfies Record<string, Setting>;

export type SettingKey = keyof typeof settings;
export const settingKeys = Object.keys(settings) as SettingKey[];
export type Config = { readonly [K in SettingKey]: z.output<(typeof settings)[K]['schema']> };

/** A setting that cannot be used: the sentence names the key, where it came from and what it must be. */
export class ConfigError extends Error {
  readonly code = 'ERR_ENCKE_CONFIG';
  override readonly name = 'ConfigError';
}

/** Variables of the other commands, of the tests, of the workers, and the one that names the config file. */
const otherVariables: ReadonlySet<string> = new Set([
  'ENCKE_CONFIG',
  'ENCKE_URL',
  'ENCKE_API_URL',
  'ENCKE_TEST_SEED',
  workerVariable,
  workerGroupVariable,
]);

/** `apiPort` -> `--api-port` */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `apiPort` -> `ENCKE_API_PORT` */
export function environmentNameOf(key: string): string {
  return `ENCKE_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

export interface ConfigSources {
  /** From the command line, by setting key; absent where no flag was given. */
  flags?: Partial<Record<string, unknown>>;
  environment?: NodeJS.ProcessEnv;
  /** Path of a JSON file. */
  file?: string | undefined;
  /** What the process is going to do. Default: both. */
  role?: NodeRole;
}

/** @throws ConfigError */
export function readConfig(sources: ConfigSources): Config {
  assertVariablesKnown(sources.environment ?? {});
  const file = sources.file === undefined ? {} : readConfigFile(sources.file);
  const config: Record<string, unknown> = {};
  for (const key of settingKeys) {
    const { value, origin } = pick(key, sources, file);
    config[key] = value === undefined ? settings[key].default : parseSetting(key, value, origin);
  }
  const inconsistency = inconsistencyOf(config as Config, sources.role ?? 'both');
  if (inconsistency !== undefined) throw new ConfigError(inconsistency);
  return config as Config;
}

/** A misspelt variable would leave its setting at the default without a word. */
function assertVariablesKnown(environment: NodeJS.ProcessEnv): void {
  const known = new Set([...settingKeys.map(environmentNameOf), ...otherVariables]);
  const unknown = Object.keys(environment).find(
    (name) => name.startsWith('ENCKE_') && environment[name] !== '' && !known.has(name),
  );
  if (unknown === undefined) return;
  throw new ConfigError(
    `Unknown variable ${unknown} in the environment: unset it, or give it the name of a setting; "encke start --help" has them all.`,
  );
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
  const { schema, expects }: Setting = settings[key];
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
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
    throw new ConfigError(`Unknown key "${unknown}" in ${path}. Known keys: ${settingKeys.join(', ')}.`);
  }
  return parsed;
}

function parseJson(path: string, content: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch (cause) {
    // The parser's own message quotes what it could not read, which may be the token.
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
