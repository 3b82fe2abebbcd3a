import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { type AdminAnswer, RequestError, textAnswer } from './answer.js';
import type { AdminGuard } from './guard.js';
import type { AdminRequest, AdminRoute } from './route.js';
import { RouteTable } from './route-table.js';

/** A longer body is refused: the longest that an operator sends is a list of names. */
const bodyBytesMax = 64 * 1024;

const securityHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
} as const;

/** Answers requests to the operator's listener: finds the route, asks the guard, reads the body. */
export class RequestHandler {
  readonly #guard: AdminGuard;
  readonly #table: RouteTable;
  readonly #log: Logger;

  constructor(guard: AdminGuard, routes: readonly AdminRoute[], log: Logger) {
    this.#guard = guard;
    this.#table = new RouteTable(routes);
    this.#log = log;
  }

  readonly handle: RequestListener = (request, response) => {
    this.#answer(request).then(
      (answer) => write(response, answer),
      (error) => write(response, this.#answerOfError(error, request)),
    );
  };

  async #answer(request: IncomingMessage): Promise<AdminAnswer> {
    const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s);
    const method = request.method ?? 'GET';
    const found = this.#table.find(method, path);
    if (found === undefined || found.route.isProbe !== true) {
      const refusal = await this.#guard.refusalOf(request);
      if (refusal !== undefined) return refusal;
    }
    if (found === undefined) return this.#table.answerWithoutRoute(method, path);
    const parts: AdminRequest = {
      parameter: found.parameter,
      query: new URLSearchParams(query),
      accept: request.headers.accept ?? '',
      body: found.route.body === undefined ? undefined : await bodyOf(request),
    };
    return found.route.answer(parts);
  }

  #answerOfError(error: unknown, { method, url }: IncomingMessage): AdminAnswer {
    if (error instanceof RequestError) return textAnswer(error.status, error.message);
    this.#log.error({ err: error, method, url: url?.slice(0, 200) }, 'a request to the admin API failed');
    return textAnswer(500, 'This failed here: the log of the gateway says more.');
  }
}

/** @throws RequestError */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > bodyBytesMax) throw new RequestError(413, `A body has at most ${bodyBytesMax} bytes here.`);
    chunks.push(chunk as Buffer);
  }
  if (bytes === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new RequestError(400, 'The body is no JSON.');
  }
}

function write(response: ServerResponse, { status, type, body, headers }: AdminAnswer): void {
  response.writeHead(status, {
    ...securityHeaders,
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}
