import { rateSetting } from '../rate.js';
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
} from '../setting.js';

/**
 * The settings of MQTT. Names and defaults are those that operators of MQTT brokers know (emqttd's), with `mqtt`
 * before them; where a default differs, its help says why.
 */

const seconds = (min: number) => wholeNumber(min, 31_536_000);

export const nodeNameLengthMax = 64;

export const mqttSettings = {
  mqtt: setting(flag(), true, 'MQTT over WebSocket at --mqtt-path; false = HTTP streams alone'),
  mqttPath: setting(
    text('a path such as /mqtt, of letters, digits, and - . _ ~ /', /^\/[\w.~/-]*$/),
    '/mqtt',
    'where MQTT over WebSocket is; on --mqtt-port it is at / too',
  ),
  mqttPort: setting(
    port,
    0,
    'a port for MQTT over WebSocket alone, at --mqtt-path and at /, besides --port; operators know 8083; 0 = none',
  ),
  // Percent-encoding in presence topics triples it, and a topic's length has 16 bits.
  mqttMaxClientIdLength: setting(wholeNumber(23, 16_384), 1024, 'longest client id, bytes'),
  mqttMaxPacketSize: setting(
    wholeNumber(256, 16 * mebibyte),
    65_536,
    'largest packet, bytes after its fixed header; a message has --message-bytes-max, too. Past it the connection is closed',
  ),
  mqttPartialPacketsTotalMax: setting(
    wholeNumber(1024, 1024 * 1024 * mebibyte),
    64 * mebibyte,
    'packets that have not come to their end, all together, bytes. Past it the one that grows is closed',
  ),
  mqttReceiveQueueBytesTotalMax: setting(
    wholeNumber(1024, 1024 * 1024 * mebibyte),
    64 * mebibyte,
    'what clients have sent beyond their share of a turn of the loop, and waits for the next ones, all together, bytes. Past it turns get longer',
  ),
  mqttMaxFrameSize: setting(
    wholeNumber(0, 64 * mebibyte),
    0, // 4 MB: MQTT.js in a browser joins all that is queued into one frame; a loop of 300 messages of 1 KB passed 256 KB
    'largest WebSocket frame, which may hold many packets, bytes; what has come of one is kept until it is whole; 0 = 4 MB, or four of the largest packets where that is more',
  ),
  mqttConnectionsMax: setting(
    anyCount,
    0,
    'MQTT connections, on whichever port, so that the rest of --connections-max is left to HTTP streams. Past it: 503; 0 = no limit of their own',
  ),
  mqttMaxPendingConnects: setting(
    anyCount,
    1_000,
    'connections without an accepted CONNECT; what has come of their frames is in no statistics. Past it: 503; 0 = no limit',
  ),
  mqttMaxPendingConnectsPerAddress: setting(
    anyCount,
    64,
    'such connections from one source address (IPv6: one /64). Past it: 429; 0 = no limit, as behind a proxy all share one',
  ),
  mqttPendingConnectGraceMs: setting(
    wholeNumber(0, 600_000),
    2_000, // a round trip over the slowest of mobile networks, and one retransmission
    'where those two limits are reached, a connection without an accepted CONNECT makes room for a new one once it is this old, the oldest first, ms',
  ),
  mqttRequireSubprotocol: setting(
    flag(),
    true,
    'a WebSocket must ask for the subprotocol mqtt or mqttv3.1 [MQTT-6.0.0-3]; false = one that asks for none is let in too',
  ),
  mqttIdleTimeout: setting(
    seconds(1),
    10, // emqttd: 30; uWebSockets gives a request head 10 s
    'a connection that has not sent CONNECT by then is closed, seconds',
  ),
  mqttToken: {
    ...setting(
      text('at least 16 printable characters without spaces', /^$|^[\x21-\x7e]{16,}$/),
      '',
      'when set, CONNECT must carry it as its password, with any user name',
    ),
    secret: true as const,
  },
  mqttTokenFile: setting(
    text('the path of a file', /^/),
    '',
    'file that holds the token of --mqtt-token, which anybody on the machine could read in the list of processes',
  ),
  mqttAllowAnonymous: setting(
    flag(),
    false,
    'without --mqtt-token on a --host that is not loopback, everybody who gets there may publish: true says that this is meant',
  ),
  mqttAclDenyAction: setting(
    oneOf(['ignore', 'disconnect']),
    'ignore', // emqttd's
    'what becomes of a PUBLISH that its user may not send: ignore = it is acknowledged and goes nowhere; disconnect = its connection is closed',
  ),
  mqttAllowOrigin: setting(
    listOf('origins such as https://example.com, comma-separated, or *', /^(\*|https?:\/\/[^/\s]+)$/),
    [],
    "web origins whose pages may connect, besides the gateway's own (without --mqtt-token, own ones by address only); * = any",
  ),
  mqttMaxSubscriptions: setting(
    wholeNumber(0, 100_000),
    0,
    'filters one client may be subscribed to. Past it: SUBACK 0x80; 0 = no limit by count',
  ),
  mqttSubscriptionsTotalMax: setting(
    wholeNumber(1, 100_000_000),
    1_000_000,
    'filters of all clients, absent ones too, and ids of HTTP streams. Past it: SUBACK 0x80',
  ),
  // At the default a publish takes 0.4 ms at most to find its filters, whatever others have subscribed to.
  mqttFilterVisitsMax: setting(
    wholeNumber(1024, 10_000_000),
    4_096,
    'places of the tree of filters that a message may have to look at; a filter that would make it more, as overlapping ones with many + do, is refused: SUBACK 0x80',
  ),
  mqttMaxInflight: setting(
    wholeNumber(1, 65_535),
    32,
    'messages at QoS 1 and 2 on their way to one client, not acknowledged; the rest waits in its queue',
  ),
  mqttRetryInterval: setting(
    seconds(0),
    60,
    'an unacknowledged message is sent again this often, seconds; 0 = only when the client comes back',
  ),
  mqttMaxAwaitingRel: setting(
    wholeNumber(1, 65_535),
    100,
    'messages at QoS 2 from one client that wait for its PUBREL',
  ),
  mqttAwaitRelTimeout: setting(
    seconds(0),
    0, // emqttd: 20, which published again what a client repeated later than that [MQTT-4.3.3-2]
    'a PUBREL that has not come by then, while its client is connected, is no longer waited for, seconds; 0 = for as long as the session',
  ),
  mqttMaxMqueue: setting(
    wholeNumber(0, 1_000_000),
    1_000, // EMQ's and mosquitto's; what protects the process is --mqtt-sessions-bytes-total-max
    'messages queued for one client behind its inflight window, or while it is away',
  ),
  mqttMqueueDrop: setting(oneOf(['oldest', 'newest']), 'oldest', 'which message goes when the queue is full'),
  mqttMqueueQos0: setting(flag(), false, 'messages at QoS 0 are queued too while a client is away'),
  mqttMqueueLowWatermark: setting(share(), 0.2, 'share of the queue under which its alarm ends'),
  mqttMqueueHighWatermark: setting(
    share(),
    0.6,
    'share of the queue past which an alarm is logged and counted',
  ),
  mqttSessionExpiry: setting(
    seconds(1),
    172_800,
    'a session with clean session 0 is forgotten this long after its client has gone, seconds',
  ),
  mqttMaxSessions: setting(
    anyCount,
    100_000,
    'sessions with clean session 0, connected or not. Past it one whose client is away ends, of whoever has the most; where none is, CONNECT is refused with return code 3',
  ),
  mqttMaxAwaySessionsPerAddress: setting(
    anyCount,
    50_000, // half of the room
    'sessions whose client is away, of one source address (IPv6: one /64). Past it one of them ends; 0 = no limit, as behind a proxy all share one',
  ),
  mqttMaxAwaySessionsPerUserName: setting(
    anyCount,
    0, // a fleet of devices often has one user name
    'sessions whose client is away, of one user name. Past it one of them ends; 0 = no limit',
  ),
  // 650 bytes each besides the client id, and 600 more with clean session 0.
  mqttClientsBytesTotalMax: setting(
    wholeNumber(64 * 1024, 1024 * 1024 * mebibyte),
    128 * mebibyte,
    'sessions of all clients, connected or not, without their messages and filters, bytes. Past it CONNECT is refused with return code 3',
  ),
  mqttSessionsBytesTotalMax: setting(
    wholeNumber(1024, 1024 * 1024 * mebibyte),
    256 * mebibyte,
    'messages in all queues and windows, and what waits for PUBREL, together, bytes',
  ),
  mqttWillsBytesTotalMax: setting(
    wholeNumber(1024, 1024 * 1024 * mebibyte),
    64 * mebibyte,
    'wills of all connected clients together, bytes. Past it CONNECT with a will is refused with return code 3',
  ),
  mqttMaxRetained: setting(anyCount, 100_000, 'retained messages'),
  mqttMaxRetainedSize: setting(wholeNumber(1, 16 * mebibyte), 65_536, 'largest retained message, bytes'),
  mqttRetainedBytesTotalMax: setting(
    wholeNumber(1024, 1024 * 1024 * mebibyte),
    256 * mebibyte,
    'retained messages together, bytes',
  ),
  mqttRateLimitMessages: setting(
    rateSetting,
    '',
    'messages one client may publish: burst,rate a second. Past it the connection is closed; nothing = no limit',
  ),
  mqttRateLimitBytes: setting(
    rateSetting,
    '',
    'bytes one client may send: burst,rate a second. Past it the connection is closed; nothing = no limit',
  ),
  mqttFlappingMaxCount: setting(
    wholeNumber(0, 65_000),
    15,
    'how often the connection of a client id may end within --mqtt-flapping-window-time, other than by DISCONNECT. Past it CONNECT is refused with return code 3; 0 = as often as it likes',
  ),
  mqttFlappingWindowTime: setting(seconds(1), 60, 'time in which those ends are counted, seconds'),
  mqttFlappingBanTime: setting(seconds(1), 300, 'how long such a client id is held off, seconds'),
  mqttAutoSubscribe: setting(
    listOf('filter=qos pairs such as inbox/$c=1, comma-separated', /^[^=]+=[012]$/),
    [],
    'what each client is subscribed to when it connects; $u is its user name, $c its client id; with --auth, one with $c goes by the rules of its user',
  ),
  mqttRewrite: setting(
    listOf(
      'rules "pub|sub|all <filter> <regular expression> <topic with $1>", separated by ;',
      /^(pub|sub|all) \S+ \S+ \S+$/,
      ';',
    ),
    [],
    'topics that are changed as they come in, such as "all old/# ^old/(.+)$ new/$1"; the first rule that fits',
  ),
  mqttPresence: setting(
    flag(),
    true,
    'publish $SYS/brokers/<node>/clients/<client id>/connected and …/disconnected',
  ),
  mqttSysInterval: setting(
    seconds(0),
    60,
    'the numbers under $SYS are published this often, seconds; 0 = never',
  ),
  nodeName: setting(
    text(
      `a name of at most ${nodeNameLengthMax} characters without spaces, / + or #`,
      new RegExp(`^[^\\s\\0/+#]{1,${nodeNameLengthMax}}$`),
    ),
    'encke',
    'name of this node, in $SYS topics; with --engine redis the default is <hostname>-<port>, as each node needs its own',
  ),
} satisfies Record<string, Setting>;
