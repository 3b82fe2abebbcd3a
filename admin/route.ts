import type { z } from 'zod';
import type { AdminAnswer } from './answer.js';

/** The parts of a request that routes look at. */
export interface AdminRequest {
  /** The rest of the path, where the route has a name in braces, decoded; else ''. */
  readonly parameter: string;
  readonly query: URLSearchParams;
  /** The header. */
  readonly accept: string;
  /** Parsed JSON; an empty body is {}. Undefined where the route has none. */
  readonly body: unknown;
}

/** A route of the operator's listener, and its description for the OpenAPI document. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** A name in braces stands at its end, and for all that follows, slashes included, as ids have some. */
  readonly path: string;
  readonly summary: string;
  /** Open to everybody who reaches the listener: an orchestrator has no token, and it tells nothing. */
  readonly isProbe?: true;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  /** The shape of a good answer in JSON; undefined = text. */
  readonly shape?: z.ZodType;
  readonly answer: (request: AdminRequest) => AdminAnswer | Promise<AdminAnswer>;
}
