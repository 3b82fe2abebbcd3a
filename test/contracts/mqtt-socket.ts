import t, { type Test } from 'tap';
import { type MqttSocket, sendStatus } from '../../gateway/mqtt/mqtt-socket.js';
import { addressKeyText, addressText } from '../../gateway/peer-address.js';
import { until } from '../until.js';

/** The two ends of one connection. */
export interface SocketPair {
  /** The server's end. */
  readonly socket: MqttSocket;
  readonly client: SocketClient;
  /** Calls of the owner, in order: `drain` the socket takes more, `gone` it has ended. */
  readonly events: string[];
}

export interface SocketClient {
  /** Bytes of packets that have come so far. */
  readonly received: Buffer;
  /** The connection has ended; `said` holds what it was told then, where the transport can say it. */
  readonly ended: boolean;
  readonly said: string | undefined;
  /** Reads nothing until `resume`. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface SocketSetUp {
  /** Of the address that `open` connects from. */
  readonly addressText: string;
  /** The most that may wait for a client that reads nothing. */
  readonly bufferedBytesMax: number;
  /** Whether a client is told code and reason of `end`. */
  readonly tellsWhy: boolean;
  open(t: Test): Promise<SocketPair>;
}

const packetBytes = 16 * 1024;

/** Promises of each MQTT socket; see gateway/mqtt/mqtt-socket.ts. */
export function mqttSocketContract(name: string, setUp: SocketSetUp): void {
  t.test(
    `${name}: packets come in the order of send, and their bytes may be written over behind it`,
    async (t) => {
      const { socket, client } = await setUp.open(t);
      const packet = Buffer.alloc(2);
      for (let n = 0; n < 1_000; n++) {
        packet.writeUInt16BE(n);
        t.equal(socket.send(packet, true), sendStatus.sent);
      }
      await until('all have come', () => client.received.length === 2_000);
      for (let n = 0; n < 1_000; n++)
        if (client.received.readUInt16BE(2 * n) !== n) t.fail(`${n} is not there`);
    },
  );

  t.test(`${name}: a cork calls back before it returns, and keeps the order`, async (t) => {
    const { socket, client } = await setUp.open(t);
    socket.send(Buffer.from('1'), true);
    let called = false;
    socket.cork(() => {
      called = true;
      for (const text of ['2', '3', '4']) socket.send(Buffer.from(text), true);
    });
    t.ok(called);
    socket.send(Buffer.from('5'), true);
    await until('all have come', () => client.received.length === 5);
    t.equal(String(client.received), '12345');
  });

  t.test(
    `${name}: a client that reads nothing makes packets wait, and then they are not taken`,
    async (t) => {
      const { socket, client, events } = await setUp.open(t);
      t.equal(socket.getBufferedAmount(), 0);
      client.pause();
      let sent = 0;
      const send = () => socket.send(Buffer.alloc(packetBytes, sent++ % 256), true);
      let status = send();
      while (status === sendStatus.sent) status = send();
      t.equal(status, sendStatus.buffered);
      const buffered = socket.getBufferedAmount();
      t.ok(buffered > 0 && buffered <= packetBytes + 100, `${buffered} bytes of the last one wait`);
      client.resume();
      await until('all have come', () => client.received.length === sent * packetBytes);
      await until('the owner is told', () => events.includes('drain'));
      t.equal(socket.getBufferedAmount(), 0);
      for (let n = 0; n < sent; n++)
        if (client.received[n * packetBytes] !== n % 256) t.fail(`packet ${n} is not there`);
      t.equal(send(), sendStatus.sent, 'and it goes on');
    },
  );

  t.test(`${name}: past its limit nothing of a packet is taken`, async (t) => {
    const { socket, client } = await setUp.open(t);
    client.pause();
    const send = () => socket.send(Buffer.alloc(packetBytes), true);
    let [status, before] = [send(), 0];
    while (status !== sendStatus.dropped) {
      before = socket.getBufferedAmount();
      status = send();
    }
    const { bufferedBytesMax } = setUp;
    t.ok(before > bufferedBytesMax - packetBytes, `${before} bytes wait, of ${bufferedBytesMax}`);
    t.ok(before < bufferedBytesMax + packetBytes + 100, 'and the last one at most is beyond');
  });

  t.test(
    `${name}: end tells its owner before it returns, and its client behind all that was sent`,
    async (t) => {
      const { socket, client, events } = await setUp.open(t);
      socket.send(Buffer.alloc(100_000, 'x'), true);
      socket.end(1013, 'not-carried');
      t.same(events, ['gone']);
      await until('the client is told', () => client.ended);
      t.equal(client.received.length, 100_000);
      t.equal(client.said, setUp.tellsWhy ? '1013 not-carried' : undefined);
      t.same(events, ['gone'], 'once');
    },
  );

  t.test(`${name}: close tells its owner before it returns, and its client`, async (t) => {
    const { socket, client, events } = await setUp.open(t);
    socket.close();
    t.same(events, ['gone']);
    await until('the client is told', () => client.ended);
    t.equal(client.said, undefined);
    t.same(events, ['gone'], 'once');
  });

  t.test(`${name}: the owner is told once of an end from outside`, async (t) => {
    const { client, events } = await setUp.open(t);
    client.close();
    await until('the owner is told', () => events.length > 0);
    t.same(events, ['gone']);
  });

  t.test(`${name}: it knows the address of its client`, async (t) => {
    const { socket } = await setUp.open(t);
    t.equal(addressText(socket), setUp.addressText);
    t.equal(addressKeyText(socket), setUp.addressText);
  });
}
