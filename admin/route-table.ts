import { type AdminAnswer, RequestError, textAnswer } from './answer.js';
import type { AdminRoute } from './route.js';

interface FoundRoute {
  readonly route: AdminRoute;
  readonly parameter: string;
}

/** Finds the route of a request. */
export class RouteTable {
  readonly #routes: readonly AdminRoute[];

  constructor(routes: readonly AdminRoute[]) {
    this.#routes = routes;
  }

  /** @throws RequestError for a path that is not percent-encoded UTF-8 */
  find(method: string, path: string): FoundRoute | undefined {
    const asked = method === 'HEAD' ? 'GET' : method;
    for (const route of this.#routes) {
      if (route.method !== asked) continue;
      const rest = restOf(route.path, path);
      if (rest !== undefined) return { route, parameter: decoded(rest) };
    }
    return undefined;
  }

  answerWithoutRoute(method: string, path: string): AdminAnswer {
    const methods = this.#routes
      .filter((route) => restOf(route.path, path) !== undefined)
      .map((route) => route.method);
    if (methods.length === 0)
      return textAnswer(
        404,
        'Not here. GET / (the dashboard), /health, /ready, /metrics, /stats, /openapi.json; the admin API is under /api/v1/.',
      );
    const allowed = [...new Set([...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'])];
    const headers = { Allow: allowed.join(', ') };
    if (method === 'OPTIONS') return { status: 204, type: 'text/plain', body: '', headers };
    return textAnswer(405, `${path.slice(0, 200)} takes ${allowed.join(', ')}.`, headers);
  }
}

/** @returns the rest of the path, for which the name in braces stands; undefined: the path is another one */
function restOf(pattern: string, path: string): string | undefined {
  const brace = pattern.indexOf('{');
  if (brace === -1) return path === pattern ? '' : undefined;
  const start = pattern.slice(0, brace);
  return path.length > start.length && path.startsWith(start) ? path.slice(start.length) : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RequestError(400, 'The path is not percent-encoded UTF-8.');
  }
}
