import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below those that Linux gives to outgoing connections (32,768 and up). One of these would be lost now and then while its
 * server is down: to a connection of another test, or to who tries to reach the server and connects to itself.
 */
const portMin = 20_000;
const portMax = 32_767;
const given = new Set<number>();

/** A port of loopback that was free a moment ago: for what has to know its port before it listens, or comes back to it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin + 1));
    if (given.has(port)) continue;
    given.add(port);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** The flag of a gateway that will be started again at its port. */
export async function lastingPort(): Promise<[string, string]> {
  return ['--port', String(await freePort())];
}
