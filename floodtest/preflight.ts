/** Finds the server before a run, so that a wrong address ends with a sentence, not with 10,000 failed connections. */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';

const REACH_TIMEOUT_MS = 5000;

export interface ServerAddress {
  /** IP address that answered. */
  address: string;
  port: number;
}

/** Throws an Error whose message is a sentence for the user. */
export async function preflight(url: URL): Promise<ServerAddress> {
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (isOverTls(url) ? 443 : 80));
  try {
    const { address } = await lookup(hostname, { order: 'ipv4first' });
    const socket = connect({ host: address, port });
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(REACH_TIMEOUT_MS) });
    } finally {
      socket.on('error', () => {}).destroy();
    }
    return { address, port };
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
    throw new Error(
      `No server answers at ${url.protocol}//${url.host} (${reason}). Start it with "npm start", or name another with --url.`,
      { cause: error },
    );
  }
}

export function isOverTls({ protocol }: URL): boolean {
  return protocol === 'https:' || protocol === 'wss:';
}

export function isLoopbackIpv4(address: string): boolean {
  return address.startsWith('127.');
}
