import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { until } from '../../until.js';

/** A NATS client by hand, over a TCP socket: what the protocol's own words say, with no library between. */
export class RawNats {
  readonly socket: Socket;
  /** All that came, as text. */
  said = '';
  #inboxes = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined); // a reset is a close here
    socket.on('data', (bytes) => {
      this.said += bytes.toString('latin1');
    });
  }

  static async open(port: number, credentials: { user?: string; pass?: string } = {}): Promise<RawNats> {
    const socket = createConnection(port, '127.0.0.1');
    const nats = new RawNats(socket);
    await once(socket, 'connect');
    const options = { verbose: false, headers: true, no_responders: true, ...credentials };
    socket.write(`CONNECT ${JSON.stringify(options)}\r\nPING\r\n`);
    await until('the server answers', () => nats.said.includes('PONG\r\n'));
    return nats;
  }

  /** Publishes and waits for the one answer. @returns its body; undefined where nobody serves the subject */
  async ask(subject: string, body: string | Uint8Array): Promise<string | undefined> {
    const inbox = `_INBOX.${process.pid}.${this.#inboxes++}`;
    this.socket.write(`SUB ${inbox} ${this.#inboxes}\r\n`);
    this.publish(subject, body, inbox);
    let answer: { body: string | undefined } | undefined;
    await until(`${subject} is answered`, () => {
      answer = this.#answerIn(inbox);
      return answer !== undefined;
    });
    return answer!.body;
  }

  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is for the tests to say
  async json(subject: string, body: string | Uint8Array = ''): Promise<any> {
    return JSON.parse((await this.ask(subject, body)) ?? 'null');
  }

  publish(subject: string, body: string | Uint8Array, reply = ''): void {
    const bytes = Buffer.from(body as string);
    this.socket.write(
      Buffer.concat([Buffer.from(`PUB ${subject} ${reply} ${bytes.length}\r\n`), bytes, crlf]),
    );
  }

  close(): void {
    this.socket.destroy();
  }

  #answerIn(inbox: string): { body: string | undefined } | undefined {
    if (this.said.includes(`HMSG ${inbox} `) && this.said.includes('NATS/1.0 503'))
      return { body: undefined };
    const head = new RegExp(`(?:^|\r\n)MSG ${inbox.replaceAll('.', '\\.')} \\d+ (\\d+)\r\n`).exec(this.said);
    if (head === null) return undefined;
    const start = head.index + head[0].length;
    const body = this.said.slice(start, start + Number(head[1]));
    return body.length === Number(head[1]) ? { body: Buffer.from(body, 'latin1').toString() } : undefined;
  }
}

const crlf = Buffer.from('\r\n');
