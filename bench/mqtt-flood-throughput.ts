import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { connectPacket, frame, upgradeRequest } from '../test/mqtt-bytes.js';
import { readArguments } from './contenders.js';
import { bigFrame, type Kind, kinds, packetsOf } from './flood-frames.js';
import { sideBySide } from './side-by-side.js';

/**
 * How fast is a flood handled by this build, and by another one? One MQTT client sends frames of 250 KB full of small packets
 * without a pause: MB a second until the last of them is handled. Arguments: the other build, and one kind alone. Server on core
 * 0; run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/mqtt-flood-throughput.js --beside /tmp/base/dist/cli/encke.js ['QoS 0']
 */

const frames = 24;

const { build, flags } = readArguments();
if (build === undefined) throw new Error('Say --beside <cli/encke.js of another build>.');
for (const kind of kinds) {
  if (flags[0] !== undefined && kind !== flags[0]) continue;
  const ours = await startGateway({ cpu: 0, flags: ['--log-level', 'warn'] });
  const theirs = await startGateway({ cpu: 0, flags: ['--log-level', 'warn'], program: build });
  console.log(kind);
  await sideBySide(
    { ours: 'encke', theirs: 'other build', unit: 'MB/s', pairs: 5 },
    () => measure(ours, kind),
    () => measure(theirs, kind),
  );
  await ours.kill();
  await theirs.kill();
}
process.exit();

async function measure(server: GatewayProcess, kind: Kind): Promise<number> {
  const payload = packetsOf(kind);
  const flooder = connect(server.port, '127.0.0.1');
  flooder.write(upgradeRequest);
  await once(flooder, 'data');
  flooder.write(frame(connectPacket('flooder')));
  await once(flooder, 'data');
  flooder.resume();
  const bytesBefore = (await server.stats()).mqtt.bytesReceived;
  const startedMs = performance.now();
  sendAll(flooder, bigFrame(payload));
  while (!(await isHandled(server, bytesBefore + frames * payload.length))) await sleep(20);
  const sec = (performance.now() - startedMs) / 1000;
  flooder.destroy();
  return (frames * payload.length) / 1e6 / sec;
}

function sendAll(flooder: Socket, bytes: Buffer): void {
  let left = frames;
  const more = () => {
    while (left-- > 0) if (!flooder.write(bytes)) return;
  };
  flooder.on('drain', more);
  more();
}

async function isHandled(server: GatewayProcess, bytes: number): Promise<boolean> {
  const { mqtt } = await server.stats();
  return mqtt.bytesReceived >= bytes && (mqtt.receiveQueues?.bytes ?? 0) === 0;
}
