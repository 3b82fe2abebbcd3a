import { Library } from '../router/engine/redis/library.js';
import { cursorLengthMax } from '../router/history/cursor.js';
import { HistoryRules } from '../router/history/history-rules.js';
import { InvalidFilterError } from '../router/topic-filter.js';
import { inconsistencyOfAccess } from './access-consistency.js';
import { isLoopback } from './auth/host-address.js';
import { historyRulesOf } from './configured-history.js';
import { nodeNameLengthMax } from './mqtt/settings.js';
import { commandOf, holdsConnections, type NodeRole, takesSends } from './role.js';
import type { Config } from './settings.js';
import { inconsistencyOfWire } from './wire-consistency.js';

/** The fixed header of an MQTT packet has at most so many bytes. */
const fixedHeaderBytesMax = 5;
/** A request has so many bytes besides its ids and its cursor: method, path, and the headers of a browser. */
const headRestBytes = 1024;
/** The first parts of the paths that the public listener has besides MQTT's. */
const pathsOfGateway = new Set([
  'test',
  'stream',
  'events',
  'poll',
  'refresh',
  'numbers',
  'demo',
  'client',
  'client.js',
]);

/**
 * Looks for settings that are each good and do not go together.
 * @returns what is wrong, as a sentence that says how to mend it
 */
export function inconsistencyOf(config: Config, role: NodeRole): string | undefined {
  return (
    roleAlone(config, role) ??
    anybodyMaySend(config, role) ??
    anybodyMayAdminister(config) ??
    (holdsConnections(role) ? inconsistencyOfListeners(config) : undefined) ??
    inconsistencyOfWire(config) ??
    inconsistencyOfAccess(config) ??
    watermarksCrossed(config) ??
    packetsOutgrowFrames(config) ??
    mqttPathTaken(config) ??
    idsOutgrowHeads(config) ??
    unusableHistoryRules(config) ??
    workersWithoutEngine(config) ??
    graphOnSeveralNodes(config) ??
    workerNamesTooLong(config) ??
    nameOfNoFunction(config)
  );
}

function inconsistencyOfListeners(config: Config): string | undefined {
  return anybodyMayPublish(config) ?? mqttPortWithoutMqtt(config) ?? portGivenTwice(config);
}

/** A gateway without a router, or the other way round, is of no use to anybody. */
function roleAlone({ engine }: Config, role: NodeRole): string | undefined {
  if (role === 'both' || engine !== 'embedded') return undefined;
  const other = role === 'gateway' ? 'router' : 'gateway';
  return `"encke ${commandOf[role]}" does half of the work, and meets the ${other} on Redis: set --engine redis, or run "encke start", which does both.`;
}

function anybodyMaySend({ apiToken, apiHost, auth }: Config, role: NodeRole): string | undefined {
  if (apiToken !== '' || auth.length > 0 || isLoopback(apiHost)) return undefined;
  if (!takesSends(role))
    return `/stats would be open to anybody on ${apiHost}: set --api-token or --auth (/health and /ready want neither), or keep --api-host on 127.0.0.1.`;
  return `The router API would let anybody on ${apiHost} send: set --api-token or --auth, or keep --api-host on 127.0.0.1.`;
}

function anybodyMayAdminister({ admin, adminHost, adminToken, apiToken, auth }: Config): string | undefined {
  if (admin === 'false' || adminToken !== '' || apiToken !== '' || auth.length > 0 || isLoopback(adminHost))
    return undefined;
  return `The operator's listener would let anybody on ${adminHost} end connections: set --admin-token, or keep --admin-host on 127.0.0.1, or set --admin false.`;
}

function anybodyMayPublish(config: Config): string | undefined {
  const { mqtt, mqttToken, mqttAllowAnonymous, host, auth } = config;
  if (!mqtt || mqttToken !== '' || auth.length > 0 || mqttAllowAnonymous || isLoopback(host))
    return undefined;
  return `MQTT would let anybody on ${host} publish: set --mqtt-token or --auth, or --mqtt false for HTTP streams alone, or --mqtt-allow-anonymous true if that is meant, or keep --host on 127.0.0.1.`;
}

function mqttPortWithoutMqtt({ mqtt, mqttPort }: Config): string | undefined {
  if (mqtt || mqttPort === 0) return undefined;
  return `--mqtt is false, so nothing would be on --mqtt-port ${mqttPort}: leave one of them out.`;
}

function portGivenTwice(config: Config): string | undefined {
  const listeners = [
    { flag: '--port', host: config.host, port: config.port },
    { flag: '--mqtt-port', host: config.host, port: config.mqttPort },
    { flag: '--api-port', host: config.apiHost, port: config.apiPort },
    { flag: '--admin-port', host: config.adminHost, port: config.admin === 'true' ? config.adminPort : 0 },
  ].filter(({ port }) => port !== 0);
  for (const [n, one] of listeners.entries()) {
    const other = listeners.slice(n + 1).find(({ host, port }) => host === one.host && port === one.port);
    if (other !== undefined)
      return `${one.flag} and ${other.flag} are both ${one.port}: give each a port of its own.`;
  }
  return undefined;
}

function packetsOutgrowFrames({ mqttMaxPacketSize, mqttMaxFrameSize }: Config): string | undefined {
  const needed = mqttMaxPacketSize + fixedHeaderBytesMax;
  if (mqttMaxFrameSize === 0 || mqttMaxFrameSize >= needed) return undefined;
  return `--mqtt-max-frame-size ${mqttMaxFrameSize} does not hold one packet of --mqtt-max-packet-size: make it at least ${needed}, or 0.`;
}

function unusableHistoryRules(config: Config): string | undefined {
  try {
    new HistoryRules(historyRulesOf(config));
    return undefined;
  } catch (error) {
    if (error instanceof InvalidFilterError || error instanceof RangeError)
      return `--history-rules cannot be used: ${error.message}`;
    throw error;
  }
}

/** A plain GET of the path is answered by a 426: what the gateway has there for browsers would be gone. */
function mqttPathTaken({ mqtt, mqttPath }: Config): string | undefined {
  const first = mqttPath.split('/')[1]!;
  if (!mqtt || !pathsOfGateway.has(first)) return undefined;
  return `--mqtt-path ${mqttPath} is where the gateway has other things: choose a path that does not begin with /${first}.`;
}

/** A request for one id must fit, with every byte of it percent-encoded, and with its cursor. */
function idsOutgrowHeads({ requestHeadBytesMax, idBytesMax }: Config): string | undefined {
  const needed = 3 * idBytesMax + cursorLengthMax(1) + headRestBytes;
  if (requestHeadBytesMax >= needed) return undefined;
  const fitting = Math.floor((requestHeadBytesMax - cursorLengthMax(1) - headRestBytes) / 3);
  const orShorter = fitting < 1 ? '' : `, or --id-bytes-max at most ${fitting}`;
  return `--request-head-bytes-max ${requestHeadBytesMax} does not hold a request for one id of --id-bytes-max ${idBytesMax}, percent-encoded, with its cursor: make it at least ${needed}${orShorter}.`;
}

function workersWithoutEngine({ workers, engine }: Config): string | undefined {
  if (workers === 0 || engine !== 'embedded') return undefined;
  return `--workers ${workers} needs --engine redis, as workers hand messages to each other over Redis: start a redis-server and add --engine redis, or leave --workers out.`;
}

function graphOnSeveralNodes({ engine, data }: Config): string | undefined {
  if (engine === 'embedded' || data === '') return undefined;
  return `--data is for one process: with --engine ${engine} the friends graph is in Redis, and nothing else is kept in a directory. Leave it out.`;
}

/** The name is the beginning of functions on Redis: `<name>_send` and the others. */
function nameOfNoFunction({ name, engine }: Config): string | undefined {
  if (engine !== 'redis' || Library.takesName(name)) return undefined;
  return `--name ${name} with --engine redis begins with a letter and has letters, digits and _ behind it, 32 characters at most, as Redis allows no others in the names of functions: take ${nameLike(name)}, on all nodes.`;
}

function nameLike(name: string): string {
  const taken = name.replaceAll('-', '_').replace(/^[^A-Za-z]+/, '');
  return (taken === '' ? 'encke' : taken).slice(0, 32);
}

function workerNamesTooLong({ workers, nodeName }: Config): string | undefined {
  const most = nodeNameLengthMax - `-${workers}`.length;
  if (workers === 0 || nodeName.length <= most) return undefined;
  return `--node-name ${nodeName} has no room for the number of a worker behind it: make it at most ${most} characters long.`;
}

function watermarksCrossed({ mqttMqueueLowWatermark: low, mqttMqueueHighWatermark: high }: Config) {
  if (low <= high) return undefined;
  return `--mqtt-mqueue-low-watermark ${low} is over --mqtt-mqueue-high-watermark ${high}: an alarm could never end.`;
}
