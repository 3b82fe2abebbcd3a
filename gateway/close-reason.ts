/**
 * The closed catalogue of why a connection was refused or ended. Each has one name, which is also its label in
 * /stats and in the log; a refusal also has the HTTP status that says it.
 */

export interface Refusal {
  readonly status: string;
  readonly text: string;
  readonly retryAfterSec?: number;
}

/** Said before a connection opens. */
export const refusals = {
  'bad-id': { status: '400 Bad Request', text: 'This is not an id.' },
  'bad-cursor': { status: '400 Bad Request', text: 'This is not a cursor.' },
  'bad-timeout': { status: '400 Bad Request', text: 'This is not a time to wait.' },
  'too-many-ids': { status: '400 Bad Request', text: 'Too many ids for one stream: open a second one.' },
  /** Now it fits --request-head-bytes-max, but with a cursor it would not. */
  'no-room-for-cursor': {
    status: '431 Request Header Fields Too Large',
    text: 'With a cursor this request would be too large: ask for fewer ids over each connection, or for shorter ones.',
  },
  'too-many-connections': {
    status: '503 Service Unavailable',
    text: 'All places are taken: try again later.',
    retryAfterSec: 10,
  },
  /** All ids and filters together passed --logins-bytes-total-max. */
  'logins-bytes': {
    status: '503 Service Unavailable',
    text: 'The server has no room for more ids: try again later.',
    retryAfterSec: 10,
  },
  'too-many-from-address': {
    status: '429 Too Many Requests',
    text: 'Too many open connections from your address: close one first.',
    retryAfterSec: 10,
  },
  'too-many-of-user': {
    status: '429 Too Many Requests',
    text: 'Too many open connections of your user: close one first.',
    retryAfterSec: 10,
  },
  /** Past --rate-limit-connects. */
  'connect-rate': {
    status: '503 Service Unavailable',
    text: 'Too many connect at the same time: try again later.',
    retryAfterSec: 5,
  },
  'connect-rate-of-address': {
    status: '429 Too Many Requests',
    text: 'Too many connections from your address in a short time: try again later.',
    retryAfterSec: 5,
  },
  /** Past --rate-limit-publishes-per-user or --rate-limit-publishes-per-address. */
  'publish-rate': {
    status: '429 Too Many Requests',
    text: 'Too many messages in a short time: send this one again later.',
    retryAfterSec: 1,
  },
  /** Over MQTT alone: past --mqtt-flapping-max-count. */
  flapping: {
    status: '429 Too Many Requests',
    text: 'The connections of this client id have ended too often in a short time: try again later.',
    retryAfterSec: 300,
  },
  'too-many-pending-connects': {
    status: '503 Service Unavailable',
    text: 'Too many connections have not said CONNECT yet: try again later.',
    retryAfterSec: 5,
  },
  'too-many-pending-from-address': {
    status: '429 Too Many Requests',
    text: 'Too many connections from your address have not said CONNECT yet: say it, or try again later.',
    retryAfterSec: 5,
  },
  'address-denied': { status: '403 Forbidden', text: 'No connections are taken from your address.' },
  'bad-framing': { status: '400 Bad Request', text: 'It is not clear where this request ends.' },
  'wrong-host': {
    status: '421 Misdirected Request',
    text: 'No requests are taken by this name: come by address or as localhost, or name it in --allowed-hosts.',
  },
  'not-mqtt': {
    status: '400 Bad Request',
    text: 'Ask for the subprotocol "mqtt" or "mqttv3.1" (Sec-WebSocket-Protocol).', // [MQTT-6.0.0-3]
  },
  'bad-origin': {
    status: '403 Forbidden',
    text: 'Pages of this origin may not connect: allow them with --mqtt-allow-origin.',
  },
  'no-credentials': { status: '401 Unauthorized', text: 'Say who you are.' },
  'bad-credentials': { status: '401 Unauthorized', text: 'The credentials are wrong.' },
  expired: { status: '401 Unauthorized', text: 'The token has expired: get a new one.' },
  'not-allowed': { status: '403 Forbidden', text: 'You may not do this.' },
  'too-many-attempts': {
    status: '429 Too Many Requests',
    text: 'Too many logins have failed: try again later.',
    retryAfterSec: 30,
  },
  /** The authenticator cannot be reached, does not answer in time, or too many wait for it. */
  'authentication-unavailable': {
    status: '503 Service Unavailable',
    text: 'Credentials cannot be checked now: try again later.',
    retryAfterSec: 5,
  },
  stopping: {
    status: '503 Service Unavailable',
    text: 'The server is stopping: try again.',
    retryAfterSec: 1,
  },
} as const satisfies Record<string, Refusal>;

export type RefusalReason = keyof typeof refusals;

/** Why an open connection ended. */
export const closeReasons = [
  /** The peer closed, reset or vanished: nothing of ours. */
  'peer-closed',
  /** More was pending than --pending-bytes-max, with the policy `disconnect`. */
  'slow-consumer',
  /** All slow consumers together passed --pending-bytes-total-max, and this one had a message coming. */
  'slow-consumers-total',
  /** Something was pending and the socket took nothing for about 10 s. */
  'stalled-consumer',
  /** Of long-polls: it has got its answer. */
  'answered',
  /** Graceful stop. */
  'server-stopping',
  /** Of HTTP, with --engine redis: Redis was away for longer than history is; whoever has a cursor comes back and is told. */
  'history-gap',
  /** The token that it came with has ended: the client comes back with a new one. */
  'credentials-expired',
  /** Its user is gone, or has other credentials. */
  'credentials-revoked',
  /** An operator has ended it, over the router API or with `encke kick`. */
  'kicked',
  // Of MQTT:
  /** The client said DISCONNECT: a good end, without a will. */
  'disconnected',
  /** Bytes that are not MQTT: bad lengths, flags, UTF-8, topics [MQTT-4.8.0-1]. */
  'malformed-packet',
  /** A packet that may not come from a client, or not now; a second CONNECT [MQTT-3.1.0-2]; an acknowledgement out of turn. */
  'protocol-error',
  /** A packet before CONNECT [MQTT-3.1.0-1]. */
  'not-connected',
  /** A WebSocket text frame [MQTT-6.0.0-1]. */
  'text-frame',
  /** More than --mqtt-max-packet-size, a message over --message-bytes-max, or a frame over --mqtt-max-frame-size. */
  'packet-too-large',
  /** A topic over --id-bytes-max or --topic-levels-max, published or of a will: good MQTT, and past a limit of this server. */
  'topic-too-large',
  /** A topic with control characters, published or of a will, with --allow-control-characters false. */
  'control-characters',
  /** CONNACK has said why. */
  'connect-refused',
  /** No CONNECT within --mqtt-pending-connect-grace-ms, and another connection had no place. */
  'connect-overdue',
  /** No CONNECT within --mqtt-idle-timeout. */
  'idle-timeout',
  /** Nothing came for one and a half keep-alives [MQTT-3.1.2-24]. */
  'keep-alive-timeout',
  /** Its client id has connected anew, on this node or another [MQTT-3.1.4-2]. */
  'taken-over',
  /** It has published where its user may not, with --mqtt-acl-deny-action disconnect; or may not read any more what it reads. */
  'not-allowed',
  /** Past --mqtt-rate-limit-messages or --mqtt-rate-limit-bytes, or past --rate-limit-publishes-per-user or -per-address. */
  'rate-limited',
  /** More messages at QoS 2 without PUBREL than --mqtt-max-awaiting-rel. */
  'too-many-awaiting-rel',
  /** A message at QoS 1 or 2 while Redis is away: it was not published, and is not acknowledged. */
  'not-carried',
  /** All incomplete packets together passed their limit, and this one was growing. */
  'partial-packets-total',
  /** It asks and reads no answers. */
  'answers-unread',
] as const;

/** Why a message was lost to a stream. */
export const lossReasons = [
  /** More was pending than --pending-bytes-max. */
  'slow-consumer',
  /** All slow consumers together passed --pending-bytes-total-max. */
  'slow-consumers-total',
  /** It was on its way, or pending, when the stream ended. */
  'stream-ended',
] as const;

export type LossReason = (typeof lossReasons)[number];

export type CloseReason = (typeof closeReasons)[number];

/**
 * A stream says these reasons in its last piece, and the Comet page says these sentences. Other reasons show only in how
 * a stream ends: with its last chunk, or without.
 */
export const toldReasons = {
  'credentials-expired': 'The credentials of this page have ended.',
  'credentials-revoked': 'Your user is not known any more, or has other credentials.',
  kicked: 'An operator has ended this connection.',
  'not-allowed': 'You may not read this any more.',
} as const satisfies Partial<Record<CloseReason, string>>;

export type ToldReason = keyof typeof toldReasons;

export function isTold(reason: CloseReason): reason is ToldReason {
  return reason in toldReasons;
}

/** The code that a WebSocket client reads when we close it; a code of RFC 6455, section 7.4.1, and the reason's name beside it. */
export const webSocketCodes: Partial<Record<CloseReason, number>> = {
  disconnected: 1000,
  'server-stopping': 1001,
  'malformed-packet': 1002,
  'protocol-error': 1002,
  'not-connected': 1002,
  'text-frame': 1003,
  'packet-too-large': 1009,
  'topic-too-large': 1009,
  'partial-packets-total': 1013,
  'not-carried': 1013,
};

/** For the reasons that are a matter of policy. */
export const webSocketPolicyCode = 1008;
