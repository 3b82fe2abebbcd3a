import { withoutTokens } from '../gateway/without-tokens.js';

/** An answer of the operator's listener. */
export interface AdminAnswer {
  readonly status: number;
  /** The header `Content-Type`. */
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function textAnswer(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): AdminAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n`, headers };
}

/** Answers without the tokens that some clients give as client id, or in an id. */
export function jsonAnswer(value: unknown, status = 200): AdminAnswer {
  return {
    status,
    type: 'application/json; charset=utf-8',
    body: `${withoutTokens(JSON.stringify(value))}\n`,
  };
}

/** A request that cannot be answered as it is. The message is a sentence that says what to do. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: number;

  constructor(status: number, sentence: string) {
    super(sentence);
    this.status = status;
  }
}
