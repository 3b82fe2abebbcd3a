import { Message } from '../../router/message.js';
import { isWellFormed } from '../../router/topic.js';
import type { Config } from '../config.js';
import { objectInLine } from './body-lines.js';
import { checkRecipient, optionsFromLine, type Parsed } from './request.js';

/** Checked, because Node decodes valid base64 and skips the rest: the message would not be the intended one. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

interface Fields {
  readonly id?: unknown;
  readonly data?: unknown;
  readonly encoding?: unknown;
  readonly qos?: unknown;
  readonly retain?: unknown;
  readonly wait?: unknown;
  readonly to?: unknown;
}

/** A message, and whether its sender waits for the count. */
interface SentMessage {
  readonly message: Message;
  readonly wait: boolean;
  readonly followers: boolean | undefined;
}

/** A line of a batch: `{"id","data"}`, optionally with `"encoding":"base64"`, `"qos"`, `"retain"`, `"wait"` and `"to"`. */
export function messageFromJson(text: string, config: Config): Parsed<SentMessage> {
  const object = objectInLine(text, '{"id","data"}');
  if (!object.ok) return object;
  const fields = object.value as Fields;
  if (typeof fields.id !== 'string' || typeof fields.data !== 'string')
    return problem('"id" and "data" are strings.');
  if (fields.encoding !== undefined && fields.encoding !== 'base64')
    return problem('"encoding" is "base64" or absent.');
  // Half a surrogate pair, for example of slice(): UTF-8 cannot encode it, so another message would be sent.
  if (!isWellFormed(fields.data))
    return problem(
      '"data" has half of a surrogate pair, which is not Unicode text: mend it, or send it as base64.',
    );
  const id = checkRecipient(fields.id, config);
  if (!id.ok) return id;
  if (fields.encoding === 'base64' && !base64.test(fields.data)) return problem('"data" is not base64.');
  const payload = Buffer.from(fields.data, fields.encoding ?? 'utf8');
  if (payload.length > config.messageBytesMax) return problem(tooLargeText(config));
  const options = optionsFromLine(fields);
  if (!options.ok) return options;
  const { qos, retain, wait, followers } = options.value;
  const message = new Message(id.value, payload, Date.now(), qos, retain);
  return { ok: true, value: { message, wait, followers } };
}

function tooLargeText({ messageBytesMax }: Pick<Config, 'messageBytesMax'>): string {
  return `The message is larger than ${messageBytesMax} bytes.`;
}

function problem(text: string): Parsed<never> {
  return { ok: false, problem: text };
}
