import { connect, type Socket } from 'node:net';
import type { GatewayProcess } from '../test/gateway-process.js';
import { Contenders } from './contenders.js';
import { closeStreams, openStreams } from './streams.js';

/** The load of the send API's benchmarks: 10,000 open streams, and messages of 64 bytes to random ones of them. */

const connections = 10_000;
const payload = 'x'.repeat(64);

/**
 * Server CPU a message, encke beside another by turns. Ends the process.
 * @param warmUp sends before the time is taken
 * @param publish sends what is measured. @returns how many messages
 */
export async function compareSends(
  pairs: number,
  publish: (server: GatewayProcess) => Promise<number>,
  warmUp: (server: GatewayProcess) => Promise<unknown> = async () => {},
): Promise<never> {
  const contenders = await Contenders.start('server.js');
  await contenders.compare(pairs, 'µs of server CPU a message', async (server) => {
    const crowd = await openStreams(server, connections, (n) => `/test/${n}`);
    await warmUp(server);
    const cpuBefore = server.cpuSec;
    const messages = await publish(server);
    const cpuSec = server.cpuSec - cpuBefore;
    await closeStreams(server, crowd);
    return (cpuSec * 1e6) / messages;
  });
  return contenders.end();
}

/** One keep-alive connection. Raw, so that the client is not what is measured. */
export class Publisher {
  readonly #socket: Socket;
  #answered: () => void = () => {};
  #failed: (error: Error) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', (error) => this.#failed(error));
    socket.on('data', (answer) => {
      if (answer.toString('latin1').endsWith('{"delivered":1}')) this.#answered();
      else this.#failed(new Error(answer.toString()));
    });
  }

  static connect(server: GatewayProcess): Promise<Publisher> {
    return new Promise((resolve, reject) => {
      const socket = connect(server.apiPort, '127.0.0.1', () => resolve(new Publisher(socket)));
      socket.setNoDelay(true);
      socket.once('error', reject);
    });
  }

  /** Resolves with the answer. @throws when it is not that one stream has got it */
  send(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
      const id = Math.floor(Math.random() * connections);
      this.#socket.write(
        `POST /send/${id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${payload.length}\r\n\r\n${payload}`,
      );
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
