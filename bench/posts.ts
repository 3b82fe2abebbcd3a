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

/** A connection, and when what is under way on it was due. */
interface Poster {
  readonly socket: Socket;
  dueMs: number;
}

/** Sockets take turns in it. */
const readBuffer = Buffer.allocUnsafeSlow(16 * 1024);
const delivered = Buffer.from('{"delivered":1}');

class Posts {
  readonly #options: PostsOptions;
  readonly #text: MessageText;
  readonly #free: Poster[] = [];
  /** By id: all that comes before the number of bytes of a text. */
  readonly #heads: string[] = [];
  readonly #latency = new LatencyHistogram();
  readonly #sleep = new Int32Array(new SharedArrayBuffer(4));
  #startedMs = 0;
  #over = false;
  #sent = 0;
  #delivered = 0;
  #answered = 0;

  constructor(options: PostsOptions) {
    const { maxId } = options;
    this.#options = options;
    this.#text = new MessageText({ maxId, sizeBytes, stamp: true });
    for (let id = 0; id <= maxId; id++)
      this.#heads.push(`POST /send/${id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: `);
  }

  async run(): Promise<PostsSummary> {
    const { connections, perSec, seconds } = this.#options;
    for (let n = 0; n < connections; n++) this.#free.push(await this.#open());
    const cpuBefore = process.cpuUsage();
    this.#startedMs = performance.now();
    if (perSec > 0) this.#tick();
    else for (const poster of this.#free.splice(0)) this.#post(poster, this.#startedMs);
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

  /** It reads into one buffer for all: one of its own for each answer would cost as much as all else that is done here. */
  async #open(): Promise<Poster> {
    const socket = connect({
      port: this.#options.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (bytes) => {
          this.#read(poster, bytes);
          return true;
        },
      },
    });
    const poster: Poster = { socket, dueMs: 0 };
    await once(socket, 'connect');
    return poster;
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

  #post(poster: Poster, dueMs: number): void {
    const id = 1 + Math.floor(Math.random() * this.#options.maxId);
    const text = this.#text.text(id, this.#sent, dueMs);
    this.#sent++;
    poster.dueMs = dueMs;
    poster.socket.write(`${this.#heads[id]}${text.length}\r\n\r\n${text}`, 'latin1');
  }

  #read(poster: Poster, bytes: number): void {
    this.#answered++;
    const nowMs = performance.now();
    this.#latency.record((nowMs - poster.dueMs) * 1000);
    if (delivered.equals(readBuffer.subarray(bytes - delivered.length, bytes))) this.#delivered++;
    if (this.#options.perSec > 0) this.#free.push(poster);
    else if (!this.#over) this.#post(poster, nowMs);
  }
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url))
  process.once('message', async (options: PostsOptions) => {
    const summary = await new Posts(options).run();
    process.once('disconnect', () => process.exit());
    process.send!(summary);
  });
