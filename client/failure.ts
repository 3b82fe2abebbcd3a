/** Why an attempt ended. All but `RefusedError` are followed by another attempt. */

/** The server will not have this request, now or later: a bad id, a bad cursor, no permission. Ends the connection. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  /** Of the HTTP answer. */
  readonly status: number;

  /** @param text the server's own sentence, which says how to mend it */
  constructor(status: number, text: string) {
    super(`The server answered ${status}: ${text.trim()}`);
    this.status = status;
  }
}

/**
 * The server can be reached, and yet the browser did not let this page read its answer: as a rule the server does not
 * allow the page's origin. A browser tells a page no more of a request that fails by CORS than of one that fails by the
 * network, so this is inferred, and the attempts go on.
 */
export class CorsError extends Error {
  override readonly name = 'CorsError';

  constructor(server: string, page: string, options: ErrorOptions) {
    super(
      `${server} can be reached, but the browser keeps its answers from pages of ${page}: probably the server does not allow that origin. Start it with --allow-origin ${page}.`,
      options,
    );
  }
}

/** The server cannot serve this now: 429, 503 and other errors of the server or of a proxy; or `headers` failed. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  /** What it said in Retry-After. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The event stream did not begin in time: something between here and the server keeps it back, or nothing is there. */
export class GreetingMissedError extends Error {
  override readonly name = 'GreetingMissedError';

  constructor(timeoutMs: number) {
    super(`The event stream did not begin within ${timeoutMs} ms: a proxy may be buffering it.`);
  }
}

/** Nothing came for longer than heartbeats, or a poll's own timeout, would let it be silent. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError';

  constructor(timeoutMs: number) {
    super(`Nothing came for ${timeoutMs} ms: the connection is dead, or a proxy is buffering it.`);
  }
}

/** This `fetch` gives a body only when it has ended, as in React Native: event streams cannot be read with it. */
export class NoStreamingError extends Error {
  override readonly name = 'NoStreamingError';

  constructor() {
    super("This fetch cannot read a body that has not ended: use transport 'auto' or 'long-poll'.");
  }
}

/** A browser opens six connections to an origin over HTTP/1.1: this one waits for its turn. */
export class CrowdedError extends Error {
  override readonly name = 'CrowdedError';

  constructor(origin: string, count: number) {
    super(
      `${count} streams of this page to ${origin} are open, and the page needs connections for other requests: this one waits. Connections with the same options share one stream.`,
    );
  }
}

/** Not a failure: a new request takes the place of this one at once, from the same cursors. */
export class Superseded extends Error {}
