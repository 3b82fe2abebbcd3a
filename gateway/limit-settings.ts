import { rateSetting } from './rate.js';
import { anyCount, mebibyte, type Setting, setting, wholeNumber } from './setting.js';

/** Limits by user name and by address: failed logins, connections, and how fast they come and publish. */
export const limitSettings = {
  connectionsPerUserMax: setting(
    anyCount,
    0, // a fleet of devices often has one user name
    'open streams, polls and MQTT connections of one user name. Past it: 429, CONNACK 3; 0 = no limit',
  ),
  // All that the machine can: a herd that comes back after a restart is let in sooner so.
  rateLimitConnects: setting(
    rateSetting,
    '',
    'streams and WebSockets that may open: burst,rate a second. Past it: 503 with a Retry-After that spreads them; nothing = no limit',
  ),
  rateLimitConnectsPerAddress: setting(
    rateSetting,
    '',
    'the same for one address (IPv6: one /64). Past it: 429; nothing = no limit, as behind a proxy all share one',
  ),
  rateLimitPublishesPerUser: setting(
    rateSetting,
    '',
    'messages that one user may publish: burst,rate a second. Past it: 429 to a send, and an MQTT connection is closed; nothing = no limit',
  ),
  rateLimitPublishesPerAddress: setting(rateSetting, '', 'the same for one address (IPv6: one /64)'),
  // A customer's network with some broken devices that try every few seconds has fewer.
  authFailuresPerAddressMax: setting(
    anyCount,
    100,
    'failed logins of one address (IPv6: one /64) within --auth-failures-window-sec. Past it: 429, CONNACK 3; 0 = no limit, as behind a proxy all share one',
  ),
  // A person does not mistype more often; a password of six random digits lasts for two months then.
  authFailuresPerNameMax: setting(
    anyCount,
    10,
    'failed logins with one user name within --auth-failures-window-sec, from anywhere. Past it: 429, CONNACK 3, but not where that user was let in from before; 0 = no limit',
  ),
  authFailuresWindowSec: setting(
    wholeNumber(1, 86_400),
    60,
    'time in which that many logins may fail, seconds. Failures run out evenly over it',
  ),
  authFailuresBytesTotalMax: setting(
    wholeNumber(64 * 1024, 1024 * mebibyte),
    4 * mebibyte, // 17,000 addresses and names
    'failed logins that are remembered, bytes; those that failed longest ago go first',
  ),
} satisfies Record<string, Setting>;
