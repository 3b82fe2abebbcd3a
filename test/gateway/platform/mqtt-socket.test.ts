import type { us_listen_socket, WebSocket } from 'uWebSockets.js';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { GoneSocket } from '../../../gateway/mqtt/gone-socket.js';
import { sendStatus } from '../../../gateway/mqtt/mqtt-socket.js';
import { type AddressKept, keepAddress } from '../../../gateway/peer-address.js';
import { uWS } from '../../../gateway/uws.js';
import { mqttSocketContract, type SocketClient, type SocketPair } from '../../contracts/mqtt-socket.js';
import { upgradeRequest } from '../../mqtt-bytes.js';
import { until } from '../../until.js';

/** The WebSocket of uWebSockets.js as it stands, and what takes its place once it is gone. */

const bufferedBytesMax = 256 * 1024;

mqttSocketContract('a WebSocket', {
  addressText: '127.0.0.1',
  bufferedBytesMax,
  tellsWhy: true,
  open: openPair,
});

t.test('the socket of a client that is gone takes everything, and tells of its end', async (t) => {
  let ends = 0;
  const socket = new GoneSocket('192.0.2.7', () => ends++);
  let corked = false;
  socket.cork(() => {
    corked = true;
  });
  t.ok(corked);
  t.equal(socket.send(), sendStatus.sent);
  t.equal(socket.getBufferedAmount(), 0);
  t.same(Buffer.from(socket.getRemoteAddress()), Buffer.from([192, 0, 2, 7]));
  t.equal(Buffer.from(socket.getRemoteAddressAsText()).toString(), '192.0.2.7');
  socket.end();
  t.equal(ends, 1);
  socket.close();
  t.equal(ends, 2);
});

async function openPair(t: Test): Promise<SocketPair> {
  const events: string[] = [];
  let socket: WebSocket<AddressKept> | undefined;
  const app = uWS.App().ws<AddressKept>('/mqtt', {
    maxBackpressure: bufferedBytesMax,
    idleTimeout: 0,
    sendPingsAutomatically: false,
    upgrade: (response, request, context) =>
      response.upgrade(
        keepAddress(response),
        request.getHeader('sec-websocket-key'),
        request.getHeader('sec-websocket-protocol'),
        '',
        context,
      ),
    open: (opened) => {
      socket = opened;
    },
    drain: () => events.push('drain'),
    close: () => events.push('gone'),
  });
  const listening = await new Promise<us_listen_socket | false>((resolve) =>
    app.listen('127.0.0.1', 0, resolve),
  );
  if (listening === false) throw new Error('no port is free');
  const client = new WebSocketClient(uWS.us_socket_local_port(listening as never));
  t.teardown(() => {
    client.close();
    app.close();
  });
  await until('the WebSocket is open', () => socket !== undefined && client.isOpen);
  return { socket: socket!, client, events };
}

/** Reads the frames of a server, which have no mask. */
class WebSocketClient implements SocketClient {
  isOpen = false;
  ended = false;
  said: string | undefined;
  readonly #socket: Socket;
  readonly #payloads: Buffer[] = [];
  #wire: Buffer[] = [];

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1', () => this.#socket.write(upgradeRequest));
    this.#socket.on('data', (bytes) => {
      this.#wire.push(bytes);
      this.#read();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.ended = true;
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.#payloads);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(): void {
    let wire = Buffer.concat(this.#wire);
    if (!this.isOpen) {
      const end = wire.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.isOpen = true;
      wire = wire.subarray(end + 4);
    }
    for (let frame = frameOf(wire); frame !== undefined; frame = frameOf(wire)) {
      wire = wire.subarray(frame.end);
      if (frame.opcode === 2) this.#payloads.push(frame.payload);
      else if (frame.opcode === 8) this.#close(frame.payload);
    }
    this.#wire = [wire];
  }

  #close(payload: Buffer): void {
    this.said = `${payload.readUInt16BE()} ${payload.subarray(2)}`;
    this.#socket.end();
  }
}

function frameOf(wire: Buffer): { opcode: number; payload: Buffer; end: number } | undefined {
  if (wire.length < 2) return undefined;
  const short = wire[1]!;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (wire.length < start) return undefined;
  const length = short < 126 ? short : short === 126 ? wire.readUInt16BE(2) : Number(wire.readBigUInt64BE(2));
  const end = start + length;
  return wire.length < end ? undefined : { opcode: wire[0]! & 0x0f, payload: wire.subarray(start, end), end };
}
