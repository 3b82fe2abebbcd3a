import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { resetSocket } from '../floodtest/reset-socket.js';

/**
 * A TCP connection through a network that can break: everything stands still without a word, as when a cable is pulled
 * or a firewall forgets; or all connections are cut.
 */
export class StallingProxy {
  readonly port: number;
  readonly #server: Server;
  /** To another server, from the next connection on. */
  targetPort: number;
  readonly #pairs = new Set<Pair>();
  readonly #sockets = new Set<Socket>();
  #stalled = false;

  private constructor(server: Server, port: number, targetPort: number) {
    this.#server = server;
    this.port = port;
    this.targetPort = targetPort;
    server.on('connection', (near) => this.#join(near));
  }

  static async start(targetPort: number): Promise<StallingProxy> {
    // Half open: what one side has still to say when it is gone is under way.
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new StallingProxy(server, (server.address() as { port: number }).port, targetPort);
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  /** From now on nothing passes, either way; new connections are taken and hear nothing. */
  stall(): void {
    this.#stalled = true;
    for (const pair of this.#pairs) pair.pause();
  }

  /** The same, but of what the target says: what it is told reaches it. */
  stallAnswers(): void {
    for (const pair of this.#pairs) pair.pauseAnswers();
  }

  /** All goes on, with what is under way; what its sender has given up since goes through, too, and late. */
  heal(): void {
    this.#stalled = false;
    for (const pair of this.#pairs) pair.resume();
  }

  /** All connections end at once, as when a router was restarted. */
  cut(): void {
    for (const pair of this.#pairs) pair.destroy();
  }

  async stop(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  #join(near: Socket): void {
    const far = connect({ port: this.targetPort, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    const pair = new Pair(near, far, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    if (this.#stalled) pair.pause();
  }
}

/** As much as a proxy between takes and keeps, bytes; then a sender notices that nobody reads. */
const heldBytesMax = 256 * 1024;

/** Both ends of one connection. */
class Pair {
  readonly #near: Socket;
  readonly #far: Socket;
  #paused = false;
  #answersPaused = false;
  /** LoadedId up, in the order in which it came. */
  #waiting: (() => void)[] = [];
  #waitingBytes = 0;

  constructor(near: Socket, far: Socket, onClose: () => void) {
    this.#near = near;
    this.#far = far;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true);
      from.on('data', (bytes) => this.#carry(from, to, bytes));
      from.on('error', () => {});
      from.on('end', () => this.#pass(from, () => to.end()));
      from.on('close', () => this.#pass(from, () => this.#close(onClose)));
    }
  }

  pause(): void {
    this.#paused = true;
  }

  pauseAnswers(): void {
    this.#answersPaused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#answersPaused = false;
    const waited = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const step of waited) step();
    this.#near.resume();
    this.#far.resume();
  }

  destroy(): void {
    resetSocket(this.#near);
    resetSocket(this.#far);
  }

  #carry(from: Socket, to: Socket, bytes: Buffer): void {
    this.#pass(from, () => this.#write(from, to, bytes));
    if (!this.#holds(from)) return;
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > heldBytesMax) from.pause();
  }

  #pass(from: Socket, step: () => void): void {
    if (this.#holds(from)) this.#waiting.push(step);
    else step();
  }

  #holds(from: Socket): boolean {
    return this.#paused || (this.#answersPaused && from === this.#far);
  }

  #write(from: Socket, to: Socket, bytes: Buffer): void {
    if (to.destroyed || to.write(bytes) || from.isPaused()) return;
    from.pause();
    to.once('drain', () => {
      if (!this.#holds(from)) from.resume();
    });
  }

  /** Bytes that one side sent before its end still reach the other. */
  #close(onClose: () => void): void {
    this.#near.end();
    this.#far.end();
    if (this.#near.destroyed) this.#far.destroySoon();
    if (this.#far.destroyed) this.#near.destroySoon();
    onClose();
  }
}
