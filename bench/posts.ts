import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { LatencyHistogram, type LatencySummary } from '../msggen/latency.js';
import { MessageText } from '../msggen/message-text.js';

/**
 * Posts to the send API, one message in a request, by a process of its own. The sockets are raw, as a client with a parser of
 * HTTP costs more CPU than the server that is measured.
 */

export interface PostsOptions {
  port: number;
  /** Each has one request under way at most. */
  connections: number;
  /** 0 = each connection sends its next one as soon as the last is answered. */
  perSec: number;
  seconds: number;
  /** Messages go to the ids 1 to this at random. */
  maxId: number;
}

export interface PostsSummary {
  sent: number;
  delivered: number;
  /** Answered with something else, or not at all. */
  errors: number;
  seconds: number;
  cpuSec: number;
  /** From when it was due to the answer. */
  latencyMs: LatencySummary | null;
}

const sizeBytes = 64;
/** Timers of Node tick in whole milliseconds, which is more than what is measured. */
const sleepMsMax = 0.2;
/** A message without an answer so long after the last one was sent counts as an error. */
const answerMsMax = 5_000;

export async function runPosts(
  options: PostsOptions,
  onStart: (child: ChildProcess) => void = () => {},
): Promise<PostsSummary> {
  const child = fork(fileURLToPath(import.meta.url));
  onStart(child);
  child.send(options);
  const [summary] = (await once(child, 'message')) as [PostsSummary];
  child.disconnect();
  return summary;
}

class Posts {
  readonly #options: PostsOptions;
  readonly #text: MessageText;
  readonly #free: Socket[] = [];
  readonly #latency = new LatencyHistogram();
  readonly #sleep = new Int32Array(new SharedArrayBuffer(4));
  #startedMs = 0;
  #over = false;
  #sent = 0;
  #delivered = 0;
  #answered = 0;

  constructor(options: PostsOptions) {
    this.#options = options;
    this.#text = new MessageText({ maxId: options.maxId, sizeBytes, stamp: true });
  }

  async run(): Promise<PostsSummary> {
    const { connections, perSec, seconds } = this.#options;
    for (let n = 0; n < connections; n++) this.#free.push(await this.#open());
    const cpuBefore = process.cpuUsage();
    this.#startedMs = performance.now();
    if (perSec > 0) this.#tick();
    else for (const socket of this.#free.splice(0)) this.#post(socket, this.#startedMs);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    this.#over = true;
    const { user, system } = process.cpuUsage(cpuBefore);
    const endedMs = performance.now();
    while (this.#answered < this.#sent && performance.now() < endedMs + answerMsMax)
      await new Promise((resolve) => setTimeout(resolve, 10));
    return {
      sent: this.#sent,
      delivered: this.#delivered,
      errors: this.#sent - this.#delivered,
      seconds: (endedMs - this.#startedMs) / 1000,
      cpuSec: (user + system) / 1e6,
      latencyMs: this.#latency.summaryMs() ?? null,
    };
  }

  async #open(): Promise<Socket> {
    const socket = connect(this.#options.port, '127.0.0.1').setNoDelay(true);
    await once(socket, 'connect');
    return socket;
  }

  /** Sends what is due, and comes again. */
  #tick(): void {
    if (this.#over) return;
    const nowMs = performance.now();
    const dueAtMs = () => this.#startedMs + (this.#sent * 1000) / this.#options.perSec;
    while (dueAtMs() <= nowMs && this.#free.length > 0) this.#post(this.#free.shift()!, dueAtMs());
    const leftMs = dueAtMs() - performance.now();
    if (leftMs > 0) Atomics.wait(this.#sleep, 0, 0, Math.min(leftMs, sleepMsMax));
    setImmediate(() => this.#tick());
  }

  #post(socket: Socket, dueMs: number): void {
    const id = 1 + Math.floor(Math.random() * this.#options.maxId);
    const text = this.#text.text(id, this.#sent, dueMs);
    this.#sent++;
    socket.once('data', (answer: Buffer) => this.#read(socket, answer, dueMs));
    socket.write(
      `POST /send/${id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    );
  }

  #read(socket: Socket, answer: Buffer, dueMs: number): void {
    this.#answered++;
    const nowMs = performance.now();
    this.#latency.record((nowMs - dueMs) * 1000);
    if (answer.toString('latin1', answer.length - 15) === '{"delivered":1}') this.#delivered++;
    if (this.#options.perSec > 0) this.#free.push(socket);
    else if (!this.#over) this.#post(socket, nowMs);
  }
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url))
  process.once('message', async (options: PostsOptions) => {
    const summary = await new Posts(options).run();
    process.once('disconnect', () => process.exit());
    process.send!(summary);
  });
