import { Option } from 'commander';
import { apiUrl } from './flag-values.js';
import type { CalledServer, CallOptions } from './server-connection.js';

/** Calls of the router API by commands, and the sentences that say why they failed. */

export interface ApiCall extends CallOptions {
  /** The path with its query. */
  readonly path: string;
  readonly body?: Buffer;
  /** The thing that has been done or not where no answer comes. */
  readonly done: string;
}

export const defaultApiUrl = 'http://127.0.0.1:8001';

export const routerApi: CalledServer = {
  name: 'the router API',
  remedy: 'Start it with "encke start", or name another with --url.',
};

export function apiUrlOption(): Option {
  return new Option('--url <url>', `router API (default: ${defaultApiUrl})`)
    .env('ENCKE_API_URL')
    .argParser(apiUrl);
}

/** Sends a POST. @returns the answer with status 200, or a sentence that says why there is none */
export async function callApi({
  path,
  body,
  done,
  ...options
}: ApiCall): Promise<{ answer: string } | { problem: string }> {
  const { CallError, ServerConnection } = await import('./server-connection.js'); // loads undici
  const connection = new ServerConnection(routerApi, options);
  try {
    const { status, text } = await connection.call({ method: 'POST', path, body });
    return status === 200 ? { answer: text } : { problem: `${status}: ${text}` };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (error.code !== 'UND_ERR_HEADERS_TIMEOUT' && error.code !== 'UND_ERR_BODY_TIMEOUT')
      return { problem: error.message };
    return {
      problem: `${routerApi.name} at ${options.url.origin} has not answered within ${options.timeoutMs / 1000} s: it may have ${done}, or not.`,
    };
  } finally {
    await connection.close();
  }
}
