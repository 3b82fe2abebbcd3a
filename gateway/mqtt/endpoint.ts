import type { HttpRequest, HttpResponse, us_socket_context_t, WebSocket } from 'uWebSockets.js';
import { keepAddress } from '../address-limit.js';

import { type RefusalReason, refusals } from '../close-reason.js';
import type { Config } from '../config.js';
import { answerText, refuse } from '../http/answer.js';
import type { FrontDoor } from '../http/front-door.js';
import { bindPath } from '../http/methods.js';
import { uWS } from '../uws.js';
import type { Channel, ChannelOfSocket } from './channel.js';
import type { Channels } from './channels.js';
import { frameBytesMax, frameBytesTaken } from './frame-size.js';
import type { MqttParts } from './mqtt-parts.js';
import type { Origins } from './origins.js';

/** The names that MQTT has among WebSocket's subprotocols [MQTT-6.0.0-3]; the second is 3.1's. */
const subprotocols = ['mqtt', 'mqttv3.1'];

/** Answers that a client does not read: past this it is cut. Messages wait elsewhere, see SlowConsumers. */
const unreadAnswersBytesMax = 64 * 1024;

/** The largest PUBLISH that may go out: a message may have come over HTTP, with another limit. */
function packetBytesMax({ mqttMaxPacketSize, messageBytesMax, idBytesMax }: Config): number {
  return Math.max(mqttMaxPacketSize, messageBytesMax) + idBytesMax;
}

/** A socket is its own user data; to ask for it would be a call into native code for each frame. */
function ownedBy(socket: WebSocket<ChannelOfSocket>): ChannelOfSocket {
  return socket as unknown as ChannelOfSocket;
}

/**
 * `--mqtt-path`: from HTTP to WebSocket to channel.
 * @param onGone called for each WebSocket that has closed; see Listener.webSocketGone
 */
export function bindMqtt(
  door: FrontDoor,
  path: string,
  channels: Channels,
  parts: MqttParts,
  origins: Origins,
  onGone: (lingers: boolean) => void,
): void {
  const { config, counters, admission, pendingConnects, connections } = parts;
  const frameMax = frameBytesMax(config);
  door.bindWebSocket<ChannelOfSocket>(path, {
    compression: uWS.DISABLED, // 75 KB a connection
    maxPayloadLength: frameBytesTaken(config),
    maxBackpressure: packetBytesMax(config) + unreadAnswersBytesMax,
    closeOnBackpressureLimit: true,
    // MQTT's keep-alive is the only clock there is. 0 alone would be 256 s: uWS pings, and cuts who does not answer.
    idleTimeout: 0,
    sendPingsAutomatically: false,
    upgrade,
    open: (socket) => channels.open(socket),
    message: (socket, frame, isBinary) => {
      const { channel } = ownedBy(socket);
      if (!isBinary) return channels.closeBehind(channel, 'text-frame'); // [MQTT-6.0.0-1]
      if (frame.byteLength > frameMax) return channels.refuseFrame(channel, frame.byteLength);
      channels.read(channel, Buffer.from(frame));
      if (channels.isBehind(channel))
        setImmediate(() => channels.isBehind(channel) && channels.takesMore(channel));
    },
    // Not in here: a frame of 16 KB or more that is not taken whole would be the last one, as uWS stops asking the system.
    drain: (socket) => {
      const { channel } = ownedBy(socket);
      setImmediate(() => connections.has(channel) && channels.drained(channel));
    },
    close: (socket, code, reason) => {
      onGone(channels.gone(ownedBy(socket).channel, code, Buffer.from(reason).toString()));
    },
  });
  // On the public listener / has a page, which stays where MQTT is put there too.
  if (path === '/' && config.mqttPath === '/') return;
  bindPath(door, path, {
    get: (response) =>
      answerText(response, '426 Upgrade Required', 'MQTT over WebSocket lives here: connect with ws://.', [
        ['Upgrade', 'websocket'],
      ]),
  });

  function upgrade(response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
    const asked = request
      .getHeader('sec-websocket-protocol')
      .split(',')
      .map((name) => name.trim());
    const subprotocol = subprotocols.find((name) => asked.includes(name));
    const maySayNone = !config.mqttRequireSubprotocol && asked[0] === '';
    if (subprotocol === undefined && !maySayNone) return refuseUpgrade(response, 'not-mqtt');
    if (!origins.allow(request.getHeader('origin'), request.getHeader('host'))) {
      return refuseUpgrade(response, 'bad-origin');
    }
    const reason = admission.refusalOf(response) ?? pendingConnects.refusalOf(response, makeRoom);
    if (reason !== undefined) return refuseUpgrade(response, reason);
    response.upgrade(
      keepAddress(response),
      request.getHeader('sec-websocket-key'),
      subprotocol ?? '', // exactly one, of those that were offered [MQTT-6.0.0-4]
      '',
      context,
    );
  }

  /** Not with a close frame: while its peer has not closed it, what uWS has of its frames stays. */
  function makeRoom(slot: number, details: Record<string, unknown>): void {
    channels.cutPending(connections.slots[slot] as Channel, details);
  }

  function refuseUpgrade(response: HttpResponse, reason: RefusalReason): void {
    counters.refused[reason]++;
    refuse(response, refusals[reason]);
  }
}
