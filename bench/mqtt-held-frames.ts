import { connect, type Socket } from 'node:net';
import { startGateway } from '../test/gateway-process.js';
import { upgradeRequest } from '../test/mqtt-bytes.js';
import { until } from '../test/until.js';

/**
 * Memory that strangers can take before CONNECT: as many connections as the gateway allows, each with a frame that
 * lacks its last byte. Prints memory before, during, and after.
 *
 *     npm run build && node dist/bench/mqtt-held-frames.js [connections] [frame bytes]
 */

const connections = Number(process.argv[2] ?? 64);
const frameBytes = Number(process.argv[3] ?? 4 * 1024 * 1024);
const perAddress = 64;

const gateway = await startGateway({ flags: ['--mqtt-max-frame-size', String(frameBytes)] });
const mebibytes = () => (gateway.rssBytes / 1024 / 1024).toFixed(0);
const before = mebibytes();
const sockets: Socket[] = [];
const startedMs = performance.now();
let answers = '';
for (let n = 0; n < connections; n++) {
  const localAddress = `127.0.1.${1 + Math.floor(n / perAddress)}`;
  const socket = connect({ port: gateway.port, host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    socket.once('data', (head) => {
      answers += head.toString('latin1').slice(9, 12);
      resolve();
    });
    socket.write(upgradeRequest);
  });
  const header = Buffer.alloc(14);
  header.writeUInt16BE(0x82ff, 0);
  header.writeBigUInt64BE(BigInt(frameBytes), 2);
  const begun = Buffer.alloc(frameBytes - 1);
  begun[0] = 0x10; // CONNECT
  socket.write(Buffer.concat([header, begun]));
  sockets.push(socket);
}
await until('all is sent', () => sockets.every((socket) => socket.writableLength === 0), 60_000);
const sec = (performance.now() - startedMs) / 1000;
const { pendingConnects } = (await gateway.stats()).mqtt;
const held = mebibytes();
const refused = answers.match(/.../g)!.filter((status) => status !== '101').length;
await until('they are closed', async () => (await gateway.stats()).mqtt.pendingConnects === 0, 60_000);
console.log(
  `${connections} connections x ${frameBytes} B before CONNECT: ${pendingConnects} open, ${refused} refused; RSS ${before} MB before, ${held} MB held after ${sec.toFixed(1)} s, ${mebibytes()} MB when they were closed`,
);
await gateway.kill();
process.exit();
