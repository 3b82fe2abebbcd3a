import { isUtf8 } from 'node:buffer';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkId } from '../../gateway/http/request.js';
import type { OperatedNode } from '../../gateway/operated-node.js';
import { Message } from '../../router/message.js';
import { problemOfFilter } from '../../router/topic-filter.js';
import { RequestError } from '../answer.js';

/** The walk through the tree of retained messages makes so many steps in one turn of the loop. */
const stepsPerTurn = 1_000;
/** The payloads of one answer have at most about so many bytes. */
const bytesMax = 4 * 1024 * 1024;

/** Reads the messages that a node keeps: retained ones, and history. Each node has all retained messages. */
export class KeptMessages {
  readonly #node: OperatedNode;

  constructor(node: OperatedNode) {
    this.#node = node;
  }

  /** @returns the retained messages of a topic filter, in no order @throws RequestError */
  async retained(filter: string, limit: number): Promise<{ messages: object[]; more: boolean }> {
    const messages: object[] = [];
    let bytes = 0;
    for await (const message of this.#walk(filter)) {
      if (messages.length === limit || bytes > bytesMax) return { messages, more: true };
      messages.push(shown(message));
      bytes += message.payload.length;
    }
    return { messages, more: false };
  }

  /** Clears the retained messages of a filter, on all nodes: subscribers get an empty message, as with MQTT. */
  async clear(filter: string): Promise<number> {
    const ids: string[] = [];
    for await (const { id } of this.#walk(filter)) ids.push(id);
    const { router } = this.#node.shared;
    for (const [n, id] of ids.entries()) {
      router.publish(new Message(id, new Uint8Array(0), Date.now(), 1, true));
      if (n % 100 === 99) await nextTurn();
    }
    return ids.length;
  }

  /** @returns the last messages of an id, oldest first @throws RequestError */
  async history(id: string, limit: number): Promise<{ messages: object[]; more: boolean }> {
    const { router, config } = this.#node.shared;
    const checked = checkId(id, config);
    if (!checked.ok) throw new RequestError(400, checked.problem);
    if (!router.history.keeps(id))
      throw new RequestError(404, 'This id has no history: no rule of --history-rules keeps any for it.');
    const from = { since: limit };
    await new Promise<void>((resolve) => router.history.prepare([id], from, resolve));
    const { messages, more } = router.history.resume([id], from, limit, bytesMax);
    return { messages: messages.map(shown), more };
  }

  async *#walk(filter: string): AsyncGenerator<Message> {
    const { router, config } = this.#node.shared;
    const problem = problemOfFilter(filter, config.idBytesMax, config.topicLevelsMax);
    if (problem !== undefined) throw new RequestError(400, `This is no topic filter (${problem}).`);
    const cursor = router.walkRetained(filter);
    while (!cursor.done) {
      cursor.seek(stepsPerTurn);
      if (cursor.qos !== undefined) yield cursor.take();
      else await nextTurn();
    }
  }
}

function shown({ id, payload, timeMs, qos }: Message): object {
  const isText = isUtf8(payload);
  return {
    id,
    data: Buffer.from(payload).toString(isText ? 'utf8' : 'base64'),
    ...(isText ? {} : { encoding: 'base64' }),
    time: timeMs,
    qos,
  };
}
