import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { NatsServer, type NatsServerOptions } from '../../nats-server.js';
import { until } from '../../until.js';

/** Real nodes on a real nats-server, gone when the test ends. */

export async function startNats(t: Test, options: NatsServerOptions = {}): Promise<NatsServer> {
  const nats = await NatsServer.start(options);
  t.teardown(() => nats.stop());
  return nats;
}

/** One node. It is part of the cluster when this resolves; the others hear of it within a second. */
export async function startNode(
  t: Test,
  nats: { readonly url: string },
  name: string,
  ...flags: string[]
): Promise<GatewayProcess> {
  const node = await startGateway({
    flags: ['--engine', 'nats', '--nats', nats.url, '--node-name', name, '--drain-sec', '0', ...flags],
  });
  t.teardown(() => node.kill());
  return node;
}

/** Nodes `a`, `b` and so on, on a nats-server of their own, all of which know each other. */
export async function startNodes(
  t: Test,
  count: number,
  ...flags: string[]
): Promise<{ nats: NatsServer; nodes: GatewayProcess[] }> {
  const nats = await startNats(t);
  const nodes: GatewayProcess[] = [];
  for (let n = 0; n < count; n++) nodes.push(await startNode(t, nats, nodeName(n), ...flags));
  await knowEachOther(nodes);
  return { nats, nodes };
}

/** A message goes from each to each: who has subscribed to it is known to NATS before the node goes on. */
export async function knowEachOther(nodes: readonly GatewayProcess[]): Promise<void> {
  for (const node of nodes) {
    const started = await fetch(`${node.url}/stream?id=known-${node.pid}`);
    for (const other of nodes) {
      await until('they know each other', async () => (await other.send(`known-${node.pid}`, 'x')) === 1);
    }
    await started.body!.cancel();
    await until('the stream is gone', async () => (await node.send(`known-${node.pid}`, 'x')) === 0);
  }
}

function nodeName(n: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + n);
}

/** The way of one node to nats-server, which can be cut. */
export class NatsWay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #open = true;

  private constructor(natsPort: number) {
    this.#server = createServer((socket) => {
      if (!this.#open) return socket.destroy();
      const onward = createConnection(natsPort, '127.0.0.1');
      for (const [one, other] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        this.#sockets.add(one);
        one.pipe(other);
        one.on('error', () => undefined); // a reset is a close here
        one.on('close', () => {
          other.destroy();
          this.#sockets.delete(one);
        });
      }
    });
  }

  static async to(t: Test, nats: NatsServer): Promise<NatsWay> {
    const way = new NatsWay(nats.port);
    way.#server.listen(0, '127.0.0.1');
    await once(way.#server, 'listening');
    t.teardown(() => {
      way.cut();
      way.#server.close();
    });
    return way;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  cut(): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#open = true;
  }
}
