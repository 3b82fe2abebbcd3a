import { fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { connectPacket, frame, upgradeRequest } from '../test/mqtt-bytes.js';
import { readArguments } from './contenders.js';
import { bigFrame, type Kind, kinds, packetsOf } from './flood-frames.js';

/**
 * What does a flood cost the others? MQTT clients that send back-to-back frames of 250 KB full of small packets, and
 * meanwhile one message every 10 ms through the send API to one open stream: its latency, and what the flood brings.
 * Arguments: one kind alone, and another build to compare with, by turns. Server on core 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/mqtt-flood.js ['QoS 0'] [--beside /tmp/base/dist/cli/encke.js]
 *
 * FLOOD_FRAME_BYTES and FLOOD_CLIENTS change how large frames are, and how many flood: with 4000000 and 40 more waits
 * than may, and turns get longer.
 */

const crowds = (process.env.FLOOD_CLIENTS || '1,20').split(',').map(Number);
const floodSec = 5;

async function compare(): Promise<void> {
  const { build: other, flags } = readArguments();
  const [only] = flags;
  console.log('flood            clients  build       p50 ms   p99 ms  worst ms    MB/s    cut');
  for (const kind of kinds) {
    if (only !== undefined && kind !== only) continue;
    for (const clients of crowds) {
      await measure(kind, clients, 'this', undefined);
      if (other !== undefined) await measure(kind, clients, 'other', other);
    }
  }
  process.exit();
}

async function measure(kind: Kind, clients: number, name: string, program: string | undefined) {
  const server = await startGateway({
    cpu: 0,
    flags: ['--log-level', 'warn'],
    ...(program === undefined ? {} : { program }),
  });
  const calm = await Calm.open(server);
  const flooders = fork(fileURLToPath(import.meta.url), [String(server.port), kind, String(clients)]);
  const next = () => new Promise<Said>((resolve) => flooders.once('message', resolve as never));
  await next(); // it floods: what its start takes of this core is not what is measured
  const before = await handledBytes(server);
  const startedMs = performance.now();
  const said = next();
  await calm.measure(floodSec);
  const bytes = (await handledBytes(server)) - before;
  const tookSec = (performance.now() - startedMs) / 1000;
  const { cut } = await said;
  const ms = calm.latenciesMs.sort((a, b) => a - b);
  const columns = [ms[ms.length >> 1]!, ms[Math.floor(ms.length * 0.99)]!, ms.at(-1)!, bytes / tookSec / 1e6];
  const shown = columns.map((value) => value.toFixed(1).padStart(9)).join('');
  console.log(
    `${kind.padEnd(17)}${String(clients).padStart(7)}  ${name.padEnd(9)}${shown}${String(cut).padStart(7)}`,
  );
  flooders.kill('SIGKILL');
  await server.kill();
}

/** Not what clients have written: the kernel keeps 4 MB for each. */
async function handledBytes(server: GatewayProcess): Promise<number> {
  const { mqtt } = await server.stats();
  return mqtt.bytesReceived - (mqtt.receiveQueues?.bytes ?? 0);
}

/** One stream, and a publisher that sends to it every 10 ms, whether the last message has come or not. */
class Calm {
  readonly latenciesMs: number[] = [];
  readonly #publisher: Socket;

  private constructor(publisher: Socket, stream: Socket) {
    this.#publisher = publisher;
    stream.on('data', (text) => {
      const nowMs = performance.now();
      for (const [, sentMs] of String(text).matchAll(/sent (\d+\.?\d*)/g))
        this.latenciesMs.push(nowMs - Number(sentMs));
    });
  }

  static async open(server: GatewayProcess): Promise<Calm> {
    const stream = connect(server.port, '127.0.0.1');
    stream.write('GET /stream/calm HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await new Promise((resolve) => stream.once('data', resolve));
    const publisher = connect(server.apiPort, '127.0.0.1');
    publisher.on('data', () => {});
    return new Calm(publisher, stream);
  }

  async measure(seconds: number): Promise<void> {
    const startedMs = performance.now();
    let sent = 0;
    while (performance.now() - startedMs < seconds * 1000) {
      const body = `sent ${performance.now().toFixed(3)}`;
      this.#publisher.write(
        `POST /send/calm HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      sent++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    while (this.latenciesMs.length < sent) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface Said {
  readonly cut: number;
}

/** Runs in a process of its own; says when it floods, and how many the server has cut. */
function flood(port: number, kind: Kind, clients: number): void {
  const packets = packetsOf(kind);
  const bytes = bigFrame(packets);
  let cut = 0;
  for (let n = 0; n < clients; n++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('close', () => cut++);
    socket.once('data', () => {
      socket.write(frame(connectPacket(`flooder-${n}`)));
      const more = () => {
        while (socket.write(bytes));
      };
      socket.on('drain', more);
      more();
      socket.on('data', () => {});
    });
    socket.write(upgradeRequest);
  }
  setTimeout(() => {
    process.send!({ cut });
    setTimeout(() => process.send!({ cut }), floodSec * 1000);
  }, 1_000);
}

if (process.send !== undefined)
  flood(Number(process.argv[2]), process.argv[3] as Kind, Number(process.argv[4]));
else await compare();
