import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { encodeEnvelope } from '../../../router/engine/nats/envelope.js';
import { HistoryStream } from '../../../router/engine/nats/history-stream.js';
import { subjectOfId } from '../../../router/engine/nats/subject.js';
import type { HistoryRule } from '../../../router/history/history-rules.js';
import { Message } from '../../../router/message.js';

let streams = 0;

/** A stream of history on a real nats-server, and what a test puts into it. */
export class FilledStream {
  readonly stream: HistoryStream;
  readonly #connection: NatsConnection;

  private constructor(stream: HistoryStream, connection: NatsConnection) {
    this.stream = stream;
    this.#connection = connection;
  }

  /** Another one for each call. */
  static async make(
    url: string,
    rule: Partial<HistoryRule> = {},
    bytesMax = 1024 * 1024,
  ): Promise<FilledStream> {
    const connection = await connect({ servers: url });
    const stream = await HistoryStream.open(connection, {
      clusterName: `filled${++streams}`,
      index: 0,
      rule: { filter: '#', messages: 3, ageSec: 3_600, ...rule },
      fingerprint: 'test',
      bytesMax,
      replicas: 1,
    });
    return new FilledStream(stream, connection);
  }

  /** @returns its sequence, once it is stored */
  async store(id: string, text: string): Promise<number> {
    const message = new Message(id, Buffer.from(text), Date.now(), 0, false);
    const envelope = encodeEnvelope(message, { run: 1, sequence: 1, counted: false, retainOnly: false });
    return this.storeRaw(subjectOfId(id), envelope);
  }

  /** @param token what stands behind the stream's prefix */
  async storeRaw(token: string, data: Uint8Array): Promise<number> {
    const { seq } = await jetstream(this.#connection).publish(this.stream.subjectPrefix + token, data);
    return seq;
  }

  /** All of an id, or all before a sequence, is gone. */
  async purge(options: { seq: number }): Promise<void> {
    await (await jetstreamManager(this.#connection)).streams.purge(this.stream.name, options);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}
