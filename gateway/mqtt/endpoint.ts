import type { WebSocket } from 'uWebSockets.js';
import type { Config } from '../config.js';
import { answerText } from '../http/answer.js';
import type { FrontDoor } from '../http/front-door.js';
import { bindPath } from '../http/methods.js';
import type { AddressKept } from '../peer-address.js';
import { uWS } from '../uws.js';
import type { Channel } from './channel.js';
import type { ChannelEnds } from './channel-ends.js';
import type { Channels } from './channels.js';
import type { Drains } from './drains.js';
import { detailsOfEnd, reasonOf } from './end-by-uws.js';
import { frameBytesMax, frameBytesTaken } from './frame-size.js';
import type { Inbound } from './inbound.js';
import { sizeDetails } from './size-details.js';
import type { Upgrade } from './upgrade.js';

/** Answers that a client does not read: past this it is cut. Messages wait elsewhere, see SlowConsumers. */
const unreadAnswersBytesMax = 64 * 1024;

/** The largest PUBLISH that may go out: a message may have come over HTTP, with another limit. */
function packetBytesMax({ mqttMaxPacketSize, messageBytesMax, idBytesMax }: Config): number {
  return Math.max(mqttMaxPacketSize, messageBytesMax) + idBytesMax;
}

/** The one property of ours that uWS's own object of a connection carries, as each is 40 bytes. */
interface SocketData extends AddressKept {
  channel: Channel;
  readonly certificateName?: string;
}

/** A socket is its own user data; to ask for it would be a call into native code for each frame. */
function channelOf(socket: WebSocket<SocketData>): Channel {
  return (socket as unknown as SocketData).channel;
}

/** The parts that the events of a socket go to. */
export interface SocketEvents {
  readonly upgrade: Upgrade;
  readonly channels: Channels;
  readonly inbound: Inbound;
  readonly drains: Drains;
  readonly ends: ChannelEnds;
}

/**
 * `--mqtt-path`: from HTTP to WebSocket to channel.
 * @param onGone called for each WebSocket that has closed; see Listener.webSocketGone
 */
export function bindMqtt(
  door: FrontDoor,
  path: string,
  config: Config,
  { upgrade, channels, inbound, drains, ends }: SocketEvents,
  onGone: (lingers: boolean) => void,
): void {
  const frameMax = frameBytesMax(config);
  door.bindWebSocket<SocketData>(path, {
    compression: uWS.DISABLED, // 75 KB a connection
    maxPayloadLength: frameBytesTaken(config),
    maxBackpressure: packetBytesMax(config) + unreadAnswersBytesMax,
    closeOnBackpressureLimit: true,
    // MQTT's keep-alive is the only clock there is. 0 alone would be 256 s: uWS pings, and cuts clients that do not answer.
    idleTimeout: 0,
    sendPingsAutomatically: false,
    upgrade: upgrade.handle,
    open: (socket) => {
      socket.getUserData().channel = channels.open(socket);
    },
    message: (socket, frame, isBinary) => {
      const channel = channelOf(socket);
      if (!isBinary) return inbound.closeBehind(channel, 'text-frame'); // [MQTT-6.0.0-1]
      const { byteLength } = frame;
      if (byteLength > frameMax) {
        const details = sizeDetails(config, 'mqttMaxFrameSize', byteLength, frameMax);
        return inbound.closeBehind(channel, 'packet-too-large', details);
      }
      inbound.read(channel, Buffer.from(frame));
      if (inbound.isBehind(channel))
        setImmediate(() => inbound.isBehind(channel) && drains.takesMore(channel));
    },
    // Not in here: a frame of 16 KB or more that is not taken whole would be the last one, as uWS stops asking the system.
    drain: (socket) => {
      const channel = channelOf(socket);
      setImmediate(() => channel.isOpen && drains.drained(channel));
    },
    close: (socket, code, text) => {
      const reason = reasonOf(code, Buffer.from(text).toString());
      onGone(ends.gone(channelOf(socket), reason, detailsOfEnd(reason, config)));
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
}
