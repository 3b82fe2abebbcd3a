import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** The way of one node to a server, which can be cut and given back. */
export class CuttableWay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #open = true;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.targetPort = targetPort;
    server.on('connection', (near) => {
      if (!this.#open) return near.destroy();
      const far = connect(this.targetPort, '127.0.0.1');
      near.pipe(far).pipe(near);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
    });
  }

  /** To another server, from the next connection on. */
  targetPort: number;

  static async start(targetPort: number): Promise<CuttableWay> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CuttableWay(server, targetPort);
  }

  get redisUrl(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  cut(): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  giveBack(): void {
    this.#open = true;
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }
}
