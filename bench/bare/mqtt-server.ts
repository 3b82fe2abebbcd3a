import type { WebSocket } from 'uWebSockets.js';
import { uWS } from '../../gateway/uws.js';

/**
 * The smallest uWebSockets.js program that carries MQTT over WebSocket at QoS 0, as the floor to measure Encke
 * against: CONNECT, SUBSCRIBE to one exact topic, PUBLISH to whoever has it. A packet a frame; no limits, no checks, no
 * wildcards, no sessions, no backpressure.
 */

type Socket = WebSocket<{ topic?: string }>;
const byTopic = new Map<string, Set<Socket>>();
const connack = Buffer.from([0x20, 2, 0, 0]);

const app = uWS.App().ws<{ topic?: string }>('/mqtt', {
  compression: uWS.DISABLED,
  idleTimeout: 0,
  sendPingsAutomatically: false,
  close: (socket) => byTopic.get(socket.getUserData().topic ?? '')?.delete(socket),
  message: (socket, data) => {
    const frame = Buffer.from(data);
    // A subscriber's CONNECT and SUBSCRIBE come in one frame.
    for (let at = 0; at < frame.length; ) {
      const long = frame[at + 1]! > 0x7f;
      const body = at + (long ? 3 : 2);
      const length = long ? (frame[at + 1]! & 0x7f) + frame[at + 2]! * 128 : frame[at + 1]!;
      packet(socket, frame.subarray(at, body + length), body - at);
      at = body + length;
    }
  },
});

function packet(socket: Socket, bytes: Buffer, body: number): void {
  switch (bytes[0]! >> 4) {
    case 1:
      socket.send(connack, true);
      return;
    case 8: {
      const topic = bytes.toString('latin1', body + 4, body + 4 + bytes.readUInt16BE(body + 2));
      const subscribers = byTopic.get(topic) ?? new Set();
      byTopic.set(topic, subscribers.add(socket));
      socket.getUserData().topic = topic;
      socket.send(Buffer.from([0x90, 3, bytes[body]!, bytes[body + 1]!, 0]), true);
      return;
    }
    case 3: {
      const topic = bytes.toString('latin1', body + 2, body + 2 + bytes.readUInt16BE(body));
      const subscribers = byTopic.get(topic);
      if (subscribers !== undefined) for (const each of subscribers) each.send(bytes, true);
    }
  }
}

app.listen('127.0.0.1', 0, (socket) => {
  const url = `http://127.0.0.1:${uWS.us_socket_local_port(socket as never)}`;
  console.log(`gateway ${url}\nrouter API ${url}`);
});
