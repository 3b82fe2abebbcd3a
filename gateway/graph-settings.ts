import { listOf, mebibyte, type Setting, setting, text, wholeNumber } from './setting.js';

/** Settings of what is kept on disk, and of the friends graph. */
export const graphSettings = {
  data: setting(
    text('the path of a directory', /^/),
    '',
    'directory of what outlives the process: retained messages, MQTT sessions with clean session 0, and the friends graph; made if it is not there. Empty: they are in memory, and a restart forgets them',
  ),
  sendToFollowers: setting(
    listOf('topic filters such as user/+, comma-separated', /^\S+$/),
    [],
    'ids whose messages go to the ids that follow them, too, where a send does not say otherwise (?to=id, ?to=followers); # = all',
  ),
  // 15 million edges of a million users take 192 MB.
  graphBytesTotalMax: setting(
    wholeNumber(mebibyte, 1024 * 1024 * mebibyte),
    256 * mebibyte,
    'the friends graph in memory, bytes. Past it: no edge is added, 503',
  ),
  graphSubscriptionsMax: setting(
    wholeNumber(1, 1_000_000),
    65_536, // its record is written as a whole: 256 KB
    'ids that one id may follow',
  ),
  followerSendsBytesMax: setting(
    wholeNumber(mebibyte, 1024 * 1024 * mebibyte),
    16 * mebibyte,
    'messages on their way to followers that take more than one turn of the loop, all together, bytes. Past it: 503',
  ),
} satisfies Record<string, Setting>;
