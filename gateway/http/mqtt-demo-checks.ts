/**
 * Checks of the MQTT demo page, before a server closes the connection, and explanations afterwards. MQTT 3.1.1 itself
 * only closes, and MQTT.js sends unacknowledged messages again over the next connection.
 */
export const demoChecks = String.raw`
/** After so many consecutive closes with an unanswered message, the server (or a proxy) refuses that message. */
const closesMax = 3;

/** RFC 6455 7.4.1: protocol and policy errors. The same bytes would be refused again. */
const finalCodes = new Set([1002, 1003, 1007, 1008, 1009]);
/** Encke's reasons with such a code that pass by themselves. */
const passing = new Set(['keep-alive-timeout', 'idle-timeout', 'slow-consumer', 'slow-consumers-total', 'stalled-consumer', 'answers-unread']);
const reasonTexts = {
  'packet-too-large': 'that was more than it takes in one message.',
  'topic-too-large': 'that topic is longer than it takes, or has more levels.',
  'control-characters': 'it takes no topics with control characters.',
  'malformed-packet': 'that was not MQTT as it reads it.',
  'rate-limited': 'that was faster than a client may send.',
  'too-many-awaiting-rel': 'too many messages at QoS 2 were open.',
  'taken-over': 'another client has connected with this client id.',
};

/** @returns undefined if a repeat may help */
function finalReason({ code, reason }) {
  if (!finalCodes.has(code) || passing.has(reason)) return undefined;
  return (reasonTexts[reason] ?? 'it gives no more reason than') + ' (' + code + (reason ? ' ' + reason : '') + ')';
}

function notOpened(url) {
  return 'No connection to ' + url.href + '. Either nothing answers there, or a proxy in between passes no WebSockets on, or ' +
    'the server takes none from pages of ' + location.origin + ' (its setting for that is --mqtt-allow-origin).';
}

/** Checks text for UTF-8, which all strings of MQTT use [MQTT-1.5.3-1, -2]. */
function problemOfText(text) {
  if (text === '') return 'it is empty.';
  if (text.includes('\0')) return 'it has a NUL character.';
  if (text.isWellFormed?.() === false) return 'it has half of a surrogate pair.';
  return undefined;
}

function problemOfFilter(filter) {
  const problem = problemOfText(filter);
  return problem === undefined ? undefined : 'the topic filter is no filter: ' + problem;
}

function problemOfPublish(topic, text, acknowledged) {
  const { topicBytesMax, topicLevelsMax, messageBytesMax, packetBytesMax, controlCharacters } = facts.limits;
  const problem = problemOfText(topic);
  if (problem !== undefined) return 'the topic is no topic: ' + problem;
  if (/[+#]/.test(topic)) return 'a topic to publish to has no wildcards (+ and #).';
  if (topic === '$SYS' || topic.startsWith('$SYS/')) return 'only the server itself publishes under $SYS.';
  if (!controlCharacters && /[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(topic))
    return 'this server takes no topics with control characters.';
  const topicBytes = bytesOf(topic);
  if (topicBytes > topicBytesMax)
    return 'the topic has ' + topicBytes + ' bytes, and this server takes ' + topicBytesMax + '.';
  const levels = topic.split('/').length;
  if (levels > topicLevelsMax)
    return 'the topic has ' + levels + ' levels, and this server takes ' + topicLevelsMax + '.';
  const messageBytes = bytesOf(text);
  if (messageBytes > messageBytesMax)
    return 'the message has ' + messageBytes + ' bytes, and this server takes ' + messageBytesMax + '.';
  const packetBytes = 2 + topicBytes + (acknowledged ? 2 : 0) + messageBytes; // behind its fixed header
  if (packetBytes > packetBytesMax)
    return 'topic and message make a packet of ' + packetBytes + ' bytes, and this server takes ' + packetBytesMax + '.';
  return undefined;
}

function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}
`;
