/**
 * Parsers for the values of command line flags. Each takes the text of the user and returns a number (or a URL, a time,
 * …). Otherwise it throws commander's InvalidArgumentError with a sentence that says what to give.
 */
import { InvalidArgumentError } from 'commander';
import type { Lives, QosShares } from '../floodtest/mqtt-plan.js';
import type { MqttQos } from '../msggen/mqtt/packets.js';
import { redisUrlShape } from '../redis-access/addresses.js';

const DECIMAL = /^[0-9]+(\.[0-9]+)?$/;
const INTEGER = /^[0-9]+$/;

const MILLISECONDS_OF: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)$/;

function integerFrom(text: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (!INTEGER.test(text) || !Number.isSafeInteger(value) || value < minimum || value > maximum) {
    const upTo = maximum === Number.MAX_SAFE_INTEGER ? 'upwards' : `to ${maximum}`;
    const example = Math.min(minimum + 9, maximum);
    throw new InvalidArgumentError(`Give a whole number from ${minimum} ${upTo}, such as ${example}.`);
  }
  return value;
}

export function positiveInteger(text: string): number {
  return integerFrom(text, 1, Number.MAX_SAFE_INTEGER);
}

export function nonNegativeInteger(text: string): number {
  return integerFrom(text, 0, Number.MAX_SAFE_INTEGER);
}

/** Makes a parser for whole numbers within bounds, both included. */
export function integerBetween(minimum: number, maximum: number): (text: string) => number {
  return (text) => integerFrom(text, minimum, maximum);
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!DECIMAL.test(text) || !(value > 0)) {
    throw new InvalidArgumentError('Give a number above 0, such as 10 or 0.5.');
  }
  return value;
}

/** @returns the milliseconds of a duration such as 500ms, 60s, 10m, 1.5h or 1d */
export function durationMs(text: string): number {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  if (amount === undefined || unit === undefined) {
    throw new InvalidArgumentError('Give a duration with its unit, such as 500ms, 60s, 10m, 24h or 1d.');
  }
  return Number(amount) * MILLISECONDS_OF[unit]!;
}

/** @returns the milliseconds until a time: a duration from now, or a future ISO 8601 time */
export function untilMs(text: string): number {
  if (DURATION.test(text)) return durationMs(text);
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new InvalidArgumentError(
      'Give a duration from now (60s, 10m, 24h) or an ISO time such as 2026-11-20T18:00:00Z.',
    );
  }
  if (at <= Date.now()) throw new InvalidArgumentError('That time is past: give one to come.');
  return at - Date.now();
}

const gatewayExample = 'http://127.0.0.1:8000';
const apiExample = 'http://127.0.0.1:8001';

/** Parses the URL of the router API. */
export function apiUrl(text: string): URL {
  return serverUrl(text, apiExample);
}

/** Parses the URL of the operator's listener. */
export function adminUrl(text: string): URL {
  return serverUrl(text, 'http://127.0.0.1:8002');
}

/** Parses the URL of a gateway, for HTTP alone. */
export function streamsUrl(text: string): URL {
  return serverUrl(text, gatewayExample);
}

/** Parses the http or https URL of a server: protocol, host and port, no path. */
function serverUrl(text: string, example: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw new InvalidArgumentError(`Give an http URL with host and port, such as ${example}.`);
  }
  refuseUser(url);
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new InvalidArgumentError(`Give the URL of the server alone, without a path, such as ${example}.`);
  }
  return url;
}

/** Refuses a user and a password in a URL: they would be ignored in silence, or printed. */
function refuseUser(url: URL): void {
  if (url.username === '' && url.password === '') return;
  throw new InvalidArgumentError(
    'A user and a password in the URL are not used: leave them out, and give a token with its own flag.',
  );
}

/** Parses the URL of a gateway, or of its WebSocket endpoint with the path: ws://127.0.0.1:8000/mqtt. */
export function gatewayUrl(text: string): URL {
  return urlOr(text, gatewayExample);
}

/** Parses the URL of the router API, or of the WebSocket endpoint of a gateway. */
export function apiOrGatewayUrl(text: string): URL {
  return urlOr(text, apiExample);
}

function urlOr(text: string, example: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^wss?:$/.test(url.protocol)) return serverUrl(text, example);
  refuseUser(url);
  if (url.hostname === '' || url.hash !== '') {
    throw new InvalidArgumentError(
      'Give a ws URL with host, port and path, such as ws://127.0.0.1:8000/mqtt.',
    );
  }
  return url;
}

/** Parses the URLs of Redis servers, separated by commas. */
export function redisUrls(text: string): string[] {
  const urls = text.split(',');
  if (urls.every((url) => redisUrlShape.test(url) && URL.canParse(url))) return urls;
  throw new InvalidArgumentError('Give Redis URLs such as redis://127.0.0.1:6379, comma-separated.');
}

export function sentinelAddresses(text: string): string[] {
  const addresses = text.split(',');
  if (addresses.every((address) => /^[^\s/@]+:\d+$/.test(address))) return addresses;
  throw new InvalidArgumentError('Give addresses such as 10.0.0.1:26379, comma-separated.');
}

/** Parses the global name of a router. */
export function clusterName(text: string): string {
  if (/^[A-Za-z][A-Za-z0-9_]{0,31}$/.test(text)) return text;
  throw new InvalidArgumentError('Give 1 to 32 letters, digits or _, a letter first.');
}

export function qosLevel(text: string): MqttQos {
  if (!/^[012]$/.test(text)) throw new InvalidArgumentError('Give 0, 1 or 2.');
  return Number(text) as MqttQos;
}

/** One QoS for all, or shares such as 0:80%,1:20%. */
export function qosShares(text: string): QosShares {
  const percent: [number, number, number] = [0, 0, 0];
  for (const part of text.split(',')) {
    const [, qos, share] = /^([012])(?::([0-9]+(?:\.[0-9]+)?)%)?$/.exec(part) ?? [];
    if (qos === undefined) throw new InvalidArgumentError(QOS_SHARES_WANTED);
    percent[Number(qos) as MqttQos] += share === undefined ? 100 : Number(share);
  }
  if (Math.abs(percent[0] + percent[1] + percent[2] - 100) > 1e-6) {
    throw new InvalidArgumentError(QOS_SHARES_WANTED);
  }
  return [percent[0] / 100, percent[1] / 100, percent[2] / 100];
}

const QOS_SHARES_WANTED = 'Give 0, 1 or 2, or shares that add up to 100%, such as 0:80%,1:20%.';

const LIVES = /^([0-9]+(?:\.[0-9]+)?)%:([^-]+)-([^-]+)$/;

/** A share of the connections and how long they live, such as 1%:1m-5m. */
export function livesOf(text: string): Lives {
  const [, percent, min, max] = LIVES.exec(text) ?? [];
  const wanted = 'Give a share and two durations, the shorter one first, such as 1%:1m-5m.';
  if (percent === undefined || min === undefined || max === undefined || !DURATION.test(min)) {
    throw new InvalidArgumentError(wanted);
  }
  if (!DURATION.test(max)) throw new InvalidArgumentError(wanted);
  const lives = { share: Number(percent) / 100, minMs: durationMs(min), maxMs: durationMs(max) };
  if (lives.share <= 0 || lives.share > 1 || lives.minMs <= 0 || lives.minMs > lives.maxMs) {
    throw new InvalidArgumentError(wanted);
  }
  return lives;
}

/** A topic with `{n}` in it, once. */
export function topicTemplate(text: string): string {
  if (text.split('{n}').length !== 2) {
    throw new InvalidArgumentError(
      'Give a topic that has {n} in it once, for the number of the id, such as user/{n}.',
    );
  }
  if (text.includes('\0') || Buffer.byteLength(text) > MAX_TOPIC_BYTES) {
    throw new InvalidArgumentError(`Give a topic of at most ${MAX_TOPIC_BYTES} bytes without U+0000.`);
  }
  return text;
}

/** Less than MQTT's 65,535, with room for the numbers. */
const MAX_TOPIC_BYTES = 60_000;

/** Collects the values of an option that may be given several times. */
export function collected<Value>(
  parse: (text: string) => Value,
): (text: string, before: Value[] | undefined) => Value[] {
  return (text, before) => [...(before ?? []), parse(text)];
}
