/** A call of the router API by a command, and the sentence that says why it failed. */

export interface ApiCall {
  /** With its query. */
  readonly path: string;
  readonly body?: Buffer;
  readonly token: string | undefined;
  readonly timeoutMs: number;
  /** The thing that has been done or not where no answer comes. */
  readonly done: string;
}

export const defaultApiUrl = 'http://127.0.0.1:8001';

/** POSTs it. @returns the answer with status 200, or why there is none, as a sentence */
export async function callApi(
  { origin }: URL,
  { path, body, token, timeoutMs, done }: ApiCall,
): Promise<{ answer: string } | { problem: string }> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const { Client } = await import('undici');
  // A Client sends the path unchanged; a URL would resolve the id "..".
  const client = new Client(origin, {
    connectTimeout: timeoutMs,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  });
  try {
    const response = await client.request({ method: 'POST', path, body: body ?? null, headers });
    const text = (await response.body.text()).trim();
    return response.statusCode === 200 ? { answer: text } : { problem: `${response.statusCode}: ${text}` };
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code || (error as Error).message || 'no reason given';
    if (why === 'UND_ERR_HEADERS_TIMEOUT' || why === 'UND_ERR_BODY_TIMEOUT')
      return {
        problem: `the router API at ${origin} has not answered within ${timeoutMs / 1000} s: it may have ${done}, or not.`,
      };
    return {
      problem: `the router API at ${origin} cannot be reached (${why}). Start it with "encke start", or name another with --url.`,
    };
  } finally {
    await client.destroy();
  }
}
