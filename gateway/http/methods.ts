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
  for (const method of methods) app[method](path, abortable(handlers[method]!));
  const allow = methods.map((method) => method.toUpperCase()).join(', ');
  const refuseMethod: Handler = (response, request) => {
    if (!knownMethods.has(request.getMethod())) return answerUnknownMethod(response);
    if (request.getMethod() === 'head') answersHead(response);
    answerText(response, '405 Method Not Allowed', `Only ${allow} here.`, [['Allow', allow]]);
  };
  app.any(path, abortable(refuseMethod));
}

/** Everything that no path was bound for. */
export function bindRest(app: TemplatedApp, hint: string): void {
  const refusePath: Handler = (response, request) => {
    if (!knownMethods.has(request.getMethod())) return answerUnknownMethod(response);
    if (request.getMethod() === 'head') answersHead(response);
    answerText(response, '404 Not Found', hint);
  };
  app.any('/*', abortable(refusePath));
}

/**
 * uWS may find only while it writes an answer that the client has reset, in the middle of a pipeline say; the
 * request then counts as not answered, and without an abort handler uWS ends the process. So each request gets
 * one before anything else. A stream, or a body that is read, replaces it by its own.
 */
function abortable(handler: Handler): Handler {
  return (response, request) => {
    response.onAborted(ignoreAbort);
    handler(response, request);
  };
}

function ignoreAbort(): void {}

function headHandler(handler: Handler): Handler {
  return (response, request) => {
    answersHead(response);
    handler(response, request);
  };
}

function answerUnknownMethod(response: HttpResponse): void {
  answerText(response, '501 Not Implemented', 'This server does not know that method.');
}
