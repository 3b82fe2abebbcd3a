import { CallError, type CalledServer, type CallOptions, ServerConnection } from '../server-connection.js';

export const defaultAdminUrl = 'http://127.0.0.1:8002';

const operatorsListener: CalledServer = {
  name: "the operator's listener",
  remedy: 'Start a gateway with "encke start", or name another listener with --admin.',
};

/** Requests to the operator's listener of a gateway. */
export class AdminClient {
  readonly #connection: ServerConnection;

  constructor(options: CallOptions) {
    this.#connection = new ServerConnection(operatorsListener, options);
  }

  /** @throws CallError */
  // biome-ignore lint/suspicious/noExplicitAny: the shapes are in the OpenAPI document
  async request(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<any> {
    const json = body && { body: JSON.stringify(body), contentType: 'application/json' };
    const { status, text } = await this.#connection.call({ method, path, ...json });
    if (status === 200) return JSON.parse(text);
    throw new CallError(`${status}: ${text}`);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

/** @returns the path of one thing of a room, such as `/api/v1/clients/` and a name, which may have any characters */
export function pathOf(room: string, name: string): string {
  return `/api/v1/${room}/${encodeURIComponent(name)}`;
}

/** @returns the path of a list with its query @param parameters those that are undefined are left out */
export function queryOf(
  room: string,
  parameters: Record<string, string | number | boolean | undefined>,
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined) query.set(name, String(value));
  return `/api/v1/${room}${query.size === 0 ? '' : `?${query}`}`;
}
