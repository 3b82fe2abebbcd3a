import { Socket } from 'node:net';
import koffi from 'koffi';
import t, { type Test } from 'tap';
import { startGateway } from '../gateway-process.js';
import { connectPacket, frame, subscribePacket, upgradeRequest } from '../mqtt-bytes.js';
import { oneProcess } from '../one-process.js';
import { until } from '../until.js';

/** A slow reader is served, however slow it is; a reader that reads nothing is cut. With default settings. */

const messages = 60;
const messageBytes = 60_000;

/** Reads so many bytes a second, a tenth of them at a time. */
class SlowReader {
  readonly #socket: Socket;
  bytesPerSec: number;
  closed = false;
  bytes = 0;
  #allowed = 0;
  #text = '';

  /** Each kind comes from an address of its own, as one of an address that moves stands for all of them. */
  constructor(port: number, requests: (string | Buffer)[], bytesPerSec: number) {
    this.bytesPerSec = Number.POSITIVE_INFINITY;
    const from = `127.0.${requests.length}.${1 + Math.round(bytesPerSec / 1000)}`;
    const onread = {
      buffer: Buffer.alloc(1024),
      callback: (length: number, bytes: Uint8Array) => this.#read(bytes as Buffer, length),
    };
    // The constructor takes `onread`, which its types do not say.
    this.#socket = new Socket({ fd: connectedTo(port, from), onread } as object);
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.closed = true;
    });
    this.#socket.write(requests[0]!);
    this.#socket.resume();
    for (const request of requests.slice(1)) this.#after(1, () => this.#socket.write(request));
    setInterval(() => this.#tick(), 100).unref();
  }

  /** Messages that have come whole, by their numbers. */
  get numbers(): number[] {
    return [...this.#text.matchAll(/<(\d+)>/g)].map(([, number]) => Number(number));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #after(bytes: number, act: () => void): void {
    const timer = setInterval(() => {
      if (this.bytes < bytes) return;
      clearInterval(timer);
      act();
    }, 5);
  }

  #tick(): void {
    this.#allowed = Math.min(this.bytesPerSec, this.#allowed + this.bytesPerSec / 10);
    if (this.#allowed > 0) this.#socket.resume();
  }

  #read(bytes: Buffer, length: number): boolean {
    this.bytes += length;
    this.#text += bytes.toString('latin1', 0, length).replace(/\.+/g, '.');
    this.#allowed -= length;
    return this.#allowed > 0;
  }
}

t.test(
  'readers of 1, 35 and 115 KB/s are not cut, one that reads nothing is',
  { timeout: 120_000, ...oneProcess('slow readers are of a process') },
  async (t) => {
    const gateway = await startGateway({ flags: ['--heartbeat-sec', '0', '--log-level', 'warn'] });
    t.teardown(() => gateway.kill());
    const readers = [1_000, 35_000, 115_000, 0].flatMap((rate) => [
      { rate, name: 'NDJSON', reader: ndjson(t, gateway.port, rate) },
      { rate, name: 'MQTT', reader: mqtt(t, gateway.port, rate) },
    ]);
    await until('all are there', async () => (await gateway.stats()).router.logins === readers.length);
    for (const { rate, reader } of readers) reader.bytesPerSec = rate;
    const body = (n: number) => `<${n}>`.padStart(messageBytes, '.');
    for (let n = 1; n <= messages; n++) await gateway.send('slow', body(n));
    const startedMs = performance.now();
    const stuck = readers.filter(({ rate }) => rate === 0);
    const slow = readers.filter(({ rate }) => rate > 0);
    const cut = async () => (await gateway.stats()).connections.closed['stalled-consumer'];
    await until('those that read nothing are cut', async () => (await cut()) >= stuck.length, 20_000);
    // A slow one was cut after 12 to 26 s.
    await until('it is late', () => performance.now() - startedMs > 30_000, 40_000);
    for (const { name, rate, reader } of slow)
      t.notOk(reader.closed, `${name} at ${rate} B/s, ${reader.bytes} bytes read`);
    for (const { reader } of slow) reader.bytesPerSec = 1e9;
    const wanted = Array.from({ length: messages }, (_, n) => n + 1);
    for (const { name, rate, reader } of slow) {
      await until(
        `${name} at ${rate} B/s has got all`,
        () => reader.numbers.length >= messages || reader.closed,
        20_000,
      );
      t.same(reader.numbers, wanted, `${name} at ${rate} B/s`);
    }
    t.match((await gateway.stats()).connections.closed, {
      'stalled-consumer': 2,
      'slow-consumer': 0,
      'peer-closed': 0,
    });
  },
);

const libc = koffi.load(null);
const socket = libc.func('int socket(int, int, int)');
const setsockopt = libc.func('int setsockopt(int, int, int, void *, uint32_t)');
const bind = libc.func('int bind(int, void *, uint32_t)');
const connect = libc.func('int connect(int, void *, uint32_t)');
const [afInet, sockStream, solSocket, soRcvbuf] = [2, 1, 1, 8];

/**
 * A socket with a receive buffer of 8 KB, as it must be before it connects: with that of loopback a reader of 1 KB/s
 * takes 64 KB once a minute. @returns its descriptor
 */
function connectedTo(port: number, from: string): number {
  const descriptor = socket(afInet, sockStream, 0);
  const size = Buffer.alloc(4);
  size.writeInt32LE(4096);
  setsockopt(descriptor, solSocket, soRcvbuf, size, 4);
  bind(descriptor, addressOf(from, 0), 16);
  if (connect(descriptor, addressOf('127.0.0.1', port), 16) !== 0) throw new Error('cannot connect');
  return descriptor;
}

/** A `struct sockaddr_in`. */
function addressOf(host: string, port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(afInet);
  address.writeUInt16BE(port, 2);
  Buffer.from(host.split('.').map(Number)).copy(address, 4);
  return address;
}

function ndjson(t: Test, port: number, rate: number): SlowReader {
  return reader(t, port, ['GET /stream/slow HTTP/1.1\r\nHost: localhost\r\n\r\n'], rate);
}

function mqtt(t: Test, port: number, rate: number): SlowReader {
  const opening = frame(connectPacket(`reader-${rate}`, { keepAliveSec: 0 }), subscribePacket(1, 'slow', 0));
  return reader(t, port, [upgradeRequest, opening], rate);
}

function reader(t: Test, port: number, requests: (string | Buffer)[], rate: number): SlowReader {
  const made = new SlowReader(port, requests, rate);
  t.teardown(() => made.destroy());
  return made;
}
