/**
 * Asks the server once before a run, so that a wrong address or token ends with a sentence, not with a million errors.
 */
import { Client } from 'undici';
import { type NameAddress, whyNoName } from './global-name.js';

const REACH_TIMEOUT_MS = 5000;

/** @returns a sentence that says why nothing can be sent; undefined when the API answers and accepts us */
export async function whyUnreachable(url: URL, token: string | undefined): Promise<string | undefined> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const client = new Client(url.origin, {
    connectTimeout: REACH_TIMEOUT_MS,
    headersTimeout: REACH_TIMEOUT_MS,
    bodyTimeout: REACH_TIMEOUT_MS,
  });
  try {
    const { statusCode, body } = await client.request({ method: 'GET', path: '/stats', headers });
    await body.dump();
    if (statusCode !== 401 && statusCode !== 403) return undefined;
    const given = token === undefined ? 'no token was given' : 'it does not accept the token that was given';
    return `The router API at ${url.origin} answers ${statusCode}: ${given}. Give the one the server was started with: --token-file, --token or ENCKE_API_TOKEN.`;
  } catch (error) {
    const reason =
      error instanceof Error ? ('code' in error ? String(error.code) : error.message) : String(error);
    return `No router API answers at ${url.origin} (${reason}). Start the server with "npm start", or name another with --url.`;
  } finally {
    await client.destroy();
  }
}

/** The same for a router's global name on Redis, which each server must know. */
export async function whyNobodyAnswers(address: NameAddress): Promise<string | undefined> {
  const reasons = await Promise.all(address.shards.map((shard) => whyNoName(shard, address)));
  return reasons.find((reason) => reason !== undefined);
}

/** The sentence for an MQTT connection that did not open. */
export function whyNoMqtt(url: string, reason: string): string {
  if (reason.startsWith('CONNACK 4') || reason.startsWith('CONNACK 5')) {
    return `The gateway at ${url} refuses to connect us (${reason}). Give the password that it was started with: --mqtt-token-file, --mqtt-token or ENCKE_MQTT_TOKEN.`;
  }
  if (reason.startsWith('HTTP') || reason.startsWith('CONNACK') || reason.startsWith('no subprotocol')) {
    return `There is no MQTT over WebSocket to be had at ${url} (${reason}). Name a gateway with --url, such as http://127.0.0.1:8000 or ws://127.0.0.1:8000/mqtt.`;
  }
  return `No gateway answers at ${url} (${reason}). Start the server with "npm start", or name another with --url.`;
}
