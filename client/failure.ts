/** Reasons why an attempt ended. Another attempt follows all of them but `RefusedError`. */

/** The server refuses this request for good: a bad id, a bad cursor, no permission. Ends the connection. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  /** Of the HTTP answer. */
  readonly status: number;

  /** @param text the server's own sentence, with the remedy */
  constructor(status: number, text: string) {
    super(`The server answered ${status}: ${text.trim()}`);
    this.status = status;
  }
}

/**
 * The server can be reached, but the browser does not let this page read its answer: usually the server does not allow
 * the page's origin. To a page a request that fails by CORS looks like one that fails by the network. So this error is
 * inferred, and the attempts go on.
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

/** The server cannot serve this now: 429, 503 and other errors of the server or of a proxy; or `headers` or `token` failed. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  /** From the header Retry-After. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The event stream did not begin in time: a proxy buffers it, or no server is there. */
export class GreetingMissedError extends Error {
  override readonly name = 'GreetingMissedError';

  constructor(timeoutMs: number) {
    super(`The event stream did not begin within ${timeoutMs} ms: a proxy may be buffering it.`);
  }
}

/** Nothing arrived for longer than heartbeats, or a poll's own timeout, allow. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError';

  constructor(timeoutMs: number) {
    super(`Nothing came for ${timeoutMs} ms: the connection is dead, or a proxy is buffering it.`);
  }
}

/** This `fetch` gives a body only when the body has ended, as in React Native: it cannot read event streams. */
export class NoStreamingError extends Error {
  override readonly name = 'NoStreamingError';

  constructor() {
    super("This fetch cannot read a body that has not ended: use transport 'auto' or 'long-poll'.");
  }
}

/** A browser opens six connections to an origin over HTTP/1.1: this connection waits for its turn. */
export class CrowdedError extends Error {
  override readonly name = 'CrowdedError';

  constructor(origin: string, count: number) {
    super(
      `${count} streams of this page to ${origin} are open, and the page needs connections for other requests: this one waits. Connections with the same options share one stream.`,
    );
  }
}

/** Not a failure: a new request replaces this one at once, from the same cursors. */
export class Superseded extends Error {}
