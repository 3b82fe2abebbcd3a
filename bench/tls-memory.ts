import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { Authority } from '../test/gateway/cluster/certificates.js';
import { startGateway } from '../test/gateway-process.js';
import { connectPacket, frame, upgradeRequest } from '../test/mqtt-bytes.js';
import { until } from '../test/until.js';
import { settled } from './settled.js';

/**
 * What does an idle connection with TLS cost? RSS of the server, beyond the first 500 connections, for streams and for
 * MQTT clients, with TLS 1.3 and 1.2. `bench/idle-memory.ts` has the same without TLS.
 *
 *     npm run build && node dist/bench/tls-memory.js
 */

const first = 500;
const count = 2_500;

const directory = mkdtempSync(join(tmpdir(), 'encke-tls-memory-'));
const authority = new Authority(directory, 'authority');
const { certFile, keyFile } = authority.issue('server', 'IP:127.0.0.1');
const ca = readFileSync(authority.file);

for (const transport of ['/stream', 'MQTT'] as const) {
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const flags = ['--log-level', 'warn', '--tls-cert-file', certFile, '--tls-key-file', keyFile];
    const gateway = await startGateway({ flags: [...flags, '--mqtt-max-pending-connects-per-address', '0'] });
    const sockets: TLSSocket[] = [];
    const openUpTo = async (total: number) => {
      while (sockets.length < total) {
        const socket = connect({ port: gateway.port, host: '127.0.0.1', ca, maxVersion });
        await once(socket, 'secureConnect');
        socket.resume();
        if (transport === 'MQTT') {
          socket.write(upgradeRequest);
          await once(socket, 'data');
          socket.write(frame(connectPacket(`device-${sockets.length}`)));
        } else socket.write(`GET /stream/${sockets.length} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
        sockets.push(socket);
      }
      await until('all are there', async () => (await gateway.stats()).connections.open === total);
    };
    await openUpTo(first);
    const before = await settled(gateway);
    await openUpTo(count);
    const bytes = ((await settled(gateway)) - before) / (count - first);
    console.log(`${transport} over ${maxVersion}: ${bytes.toFixed(0)} B a connection`);
    for (const socket of sockets) socket.destroy();
    await gateway.kill();
  }
}
rmSync(directory, { recursive: true });
process.exit();
