import type { HttpResponse } from 'uWebSockets.js';
import { answersHead, answerText } from './answer.js';
import type { FrontDoor, Handler } from './front-door.js';

export type { Handler } from './front-door.js';
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
 * Binds a path, and answers other methods: 405 if HTTP knows the method, otherwise 501. HEAD is answered as GET without
 * its body, unless it has a handler of its own (where GET never ends).
 */
export function bindPath(door: FrontDoor, path: string, given: Partial<Record<Method, Handler>>): void {
  const handlers = { ...given };
  if (given.get !== undefined) handlers.head = headHandler(given.head ?? given.get);
  const methods = Object.keys(handlers) as Method[];
  for (const method of methods) door.bind(method, path, handlers[method]!);
  const allow = methods.map((method) => method.toUpperCase()).join(', ');
  const refuseMethod: Handler = (response, request) => {
    if (!knownMethods.has(request.getMethod())) return answerUnknownMethod(response);
    if (request.getMethod() === 'head') answersHead(response);
    answerText(response, '405 Method Not Allowed', `Only ${allow} here.`, [['Allow', allow]]);
  };
  door.bind('any', path, refuseMethod);
}

/** Answers all unbound paths. @param hintFor the text of the answer, by method in lower case and path */
export function bindRest(door: FrontDoor, hintFor: (method: string, path: string) => string): void {
  const refusePath: Handler = (response, request) => {
    if (!knownMethods.has(request.getMethod())) return answerUnknownMethod(response);
    if (request.getMethod() === 'head') answersHead(response);
    answerText(response, '404 Not Found', hintFor(request.getMethod(), request.getUrl()));
  };
  door.bind('any', '/*', refusePath);
}

function headHandler(handler: Handler): Handler {
  return (response, request, head) => {
    answersHead(response);
    handler(response, request, head);
  };
}

function answerUnknownMethod(response: HttpResponse): void {
  answerText(response, '501 Not Implemented', 'This server does not know that method.');
}
