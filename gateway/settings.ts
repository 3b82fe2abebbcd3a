import type { z } from 'zod';
import { idBytesMaxDefault } from '../router/topic.js';
import { accessSettings } from './access-settings.js';
import { adminSettings } from './admin-settings.js';
import { clusterSettings } from './cluster-settings.js';
import { graphSettings } from './graph-settings.js';
import { limitSettings } from './limit-settings.js';
import { logLevels } from './log/log-levels.js';
import { mqttSettings } from './mqtt/settings.js';
import {
  anyCount,
  flag,
  listOf,
  mebibyte,
  oneOf,
  port,
  type Setting,
  setting,
  share,
  text,
  wholeNumber,
} from './setting.js';
import { wireSettings } from './wire-settings.js';

/** Every setting of the gateway, its default, unit and reason. */
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
  apiSocketsMax: setting(
    wholeNumber(64, 65_536),
    1024,
    'sockets of the router API; past it those are closed that have had no answer for the longest, first those that never had one',
  ),
  apiToken: {
    ...setting(
      text('at least 16 printable characters without spaces', /^$|^[\x21-\x7e]{16,}$/),
      '',
      'when set, the router API wants "Authorization: Bearer <token>"',
    ),
    secret: true,
  },
  apiTokenFile: setting(
    text('the path of a file', /^/),
    '',
    'file that holds the token of --api-token, which anybody on the machine could read in the list of processes',
  ),
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
  allowControlCharacters: setting(
    flag(),
    true,
    'ids, topics and filters may have control characters (MQTT 1.5.3); false = they are refused, as for Java clients that fail on them',
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
    wholeNumber(1024, 262_144),
    16_384, // 64 ids of 50 bytes with a cursor are 5 KB, and a browser's headers up to 1 KB
    'largest request line and headers, bytes. Past it: 431; so is a request for ids that would pass it with a cursor',
  ),
  bodiesBytesTotalMax: setting(
    wholeNumber(mebibyte, 1024 * 1024 * mebibyte),
    64 * mebibyte,
    'request bodies that are only partly here, all together, bytes. Past it: 503',
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
  // 180 bytes for a short id, 3 KB for a filter of 32 levels that shares none with others.
  loginsBytesTotalMax: setting(
    wholeNumber(64 * 1024, 1024 * 1024 * mebibyte),
    256 * mebibyte,
    'ids and topic filters of all streams, polls and MQTT clients, as they lie in the heap, bytes. Past it: 503, SUBACK 0x80',
  ),
  // Eight clients can use all of it up still, and of one address no number of them can.
  budgetSharePerClient: setting(
    share(0.01),
    0.125,
    'what one client may have of what all share: of --logins-bytes-total-max, --mqtt-subscriptions-total-max, --mqtt-filter-visits-max and --mqtt-sessions-bytes-total-max. Past it: SUBACK 0x80, or as where its queue is full; 1 = all of it',
  ),
  budgetSharePerAddress: setting(
    share(0.01),
    0.5,
    'what all clients of one source address (IPv6: one /64) may have of the ids and filters that all share, and of the places of those that wait for the check of their credentials. Past it: SUBACK 0x80, or 503, CONNACK 3; 1 = no limit, as behind a proxy all have one',
  ),
  pendingBytesMax: setting(
    wholeNumber(1024, 1024 * mebibyte),
    4 * mebibyte, // what the kernel would take for each where --socket-unsent-bytes-max is 0
    'what is kept for one slow consumer before the policy strikes, bytes',
  ),
  pendingBytesTotalMax: setting(
    wholeNumber(1024, 1024 * 1024 * mebibyte),
    128 * mebibyte,
    'what is kept for all slow consumers together, bytes',
  ),
  turnBudgetMs: setting(
    wholeNumber(1, 60_000),
    5,
    'what large MQTT frames and batches may take of one turn of the loop, all together, ms; the rest of them waits for the next turns, so that nobody holds the others up',
  ),
  socketReceiveBufferBytes: setting(
    wholeNumber(0, 16 * mebibyte),
    32 * 1024,
    'SO_RCVBUF of accepted sockets, bytes: what one can bring in one turn of the loop, so that a fast sender does not hold up the others; 0 = as the system has it',
  ),
  socketUnsentBytesMax: setting(
    wholeNumber(0, 16 * mebibyte),
    64 * 1024,
    'TCP_NOTSENT_LOWAT of accepted sockets, bytes: what the kernel keeps unsent for a slow reader; the rest waits here, counted; 0 = as the system has it, up to 4 MB',
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
  allowedHosts: setting(
    listOf('host names without ports such as push.example.com, comma-separated, or *', /^(\*|[\w.-]+)$/),
    [],
    'names by which clients may come besides addresses and localhost; * = any. On a --host that is not loopback nothing here means any; other names are answered 421',
  ),
  drainSec: setting(
    wholeNumber(0, 3600),
    5,
    'on SIGTERM, streams are ended spread over this time, so that clients do not all reconnect at once, seconds',
  ),
  reclaimAfterClosed: setting(
    anyCount,
    5_000,
    'when this many streams have closed and it is quiet again, memory is given back to the system; 0 = never',
  ),
  reclaimAfterOpened: setting(anyCount, 5_000, 'the same when this many connections have opened; 0 = never'),
  reclaimAfterMessages: setting(
    wholeNumber(0, 1_000_000_000_000),
    500_000,
    'the same when this many messages have been written; 0 = never',
  ),
  // A full collection takes 0.6 to 1.2 ms for each MB that is alive: 10 to 18 s of 3.5 GB, in which nothing else happens.
  reclaimPauseMsMax: setting(
    wholeNumber(1, 600_000),
    30,
    'memory is not given back where that would hold everything up for longer than this at once, ms',
  ),
  logLevel: setting(oneOf(logLevels), 'info', 'least level that is logged'),
  logPendingBytesMax: setting(
    wholeNumber(4096, 1024 * mebibyte),
    mebibyte,
    'log lines that wait because standard error takes none (a full disk, a pipe that nobody reads), bytes; more are dropped and counted',
  ),
  ...adminSettings,
  ...wireSettings,
  ...accessSettings,
  ...limitSettings,
  ...clusterSettings,
  ...graphSettings,
  ...mqttSettings,
} satisfies Record<string, Setting>;

export type SettingKey = keyof typeof settings;
export const settingKeys = Object.keys(settings) as SettingKey[];

/** Secrets that may be in a file, too: the setting `apiTokenFile` names the file of `apiToken`. */
export const secretKeys = [
  'apiToken',
  'adminToken',
  'mqttToken',
  'authJwtSecret',
] as const satisfies readonly SettingKey[];

/** All settings, read and checked. */
export type Config = { readonly [K in SettingKey]: z.output<(typeof settings)[K]['schema']> };
