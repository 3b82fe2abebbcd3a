import type { z } from 'zod';
import type { AdminAnswer } from './answer.js';

/** The parts of a request that routes look at. */
export interface AdminRequest {
  /** The rest of the path, where the route has a name in braces, decoded; else ''. */
  readonly parameter: string;
  readonly query: URLSearchParams;
  /** The header `Accept`. */
  readonly accept: string;
  /** Parsed JSON; an empty body is {}. Undefined where the route has none. */
  readonly body: unknown;
}

/** A route of the operator's listener, and its description for the OpenAPI document. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** A name in braces may stand at the end: it stands for the rest of a path, slashes included, as ids have some. */
  readonly path: string;
  readonly summary: string;
  /** The route is open to everybody who reaches the listener: an orchestrator has no token. */
  readonly isProbe?: true;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  /** The schema of a good answer in JSON; undefined where the answer is text. */
  readonly shape?: z.ZodType;
  readonly answer: (request: AdminRequest) => AdminAnswer | Promise<AdminAnswer>;
}
