import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { answersHead, answerText } from './answer.js';

export type Handler = (response: HttpResponse, request: HttpRequest) => void;
export type Method = 'get' | 'head' | 'post' | 'options';

const knownMethods = new Set([
  'get',
  'head',
  'post',
  'put',
  'delete',
  'patch',
  'options',
  'connect',
  'trace',
]);

/**
 * Binds a path, and answers the methods it does not have: 405 where HTTP knows the method, else 501. HEAD is
 * answered as GET without its body, unless it has a handler of its own (as where GET never ends).
 */
export function bindPath(app: TemplatedApp, path: string, given: Partial<Record<Method, Handler>>): void {
  const handlers = { ...given };
  if (given.get !== undefined) handlers.head = headHandler(given.head ?? given.get);
  const methods = Object.keys(handlers) as Method[];
  for (const method of methods) app[method](path, handlers[method]!);
  const allow = methods.map((method) => method.toUpperCase()).join(', ');
  app.any(path, (response, request) => {
    if (!knownMethods.has(request.getMethod())) return answerUnknownMethod(response);
    if (request.getMethod() === 'head') answersHead(response);
    answerText(response, '405 Method Not Allowed', `Only ${allow} here.`, [['Allow', allow]]);
  });
}

/** Everything that no path was bound for. */
export function bindRest(app: TemplatedApp, hint: string): void {
  app.any('/*', (response, request) => {
    if (!knownMethods.has(request.getMethod())) return answerUnknownMethod(response);
    if (request.getMethod() === 'head') answersHead(response);
    answerText(response, '404 Not Found', hint);
  });
}

function headHandler(handler: Handler): Handler {
  return (response, request) => {
    answersHead(response);
    handler(response, request);
  };
}

function answerUnknownMethod(response: HttpResponse): void {
  answerText(response, '501 Not Implemented', 'This server does not know that method.');
}
