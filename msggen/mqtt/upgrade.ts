/** The HTTP exchange that opens a WebSocket (RFC 6455, section 4): the request, and what the answer says. */
import { createHash, randomBytes } from 'node:crypto';

export const SUBPROTOCOL = 'mqtt';
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export function newKey(): string {
  return randomBytes(16).toString('base64');
}

/** The Sec-WebSocket-Accept that belongs to the key (RFC 6455 4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_GUID)
    .digest('base64');
}

export function upgradeRequest(host: string, path: string, key: string): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
    `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
    '\r\n',
  ].join('\r\n');
}

/** @returns why the answer does not open a WebSocket for MQTT, in a few words; undefined when it does */
export function whyNotUpgraded(head: string, accept: string): string | undefined {
  const status = head.slice(9, 12);
  if (status !== '101') return `HTTP ${status}`;
  if (headerOf(head, 'upgrade')?.toLowerCase() !== 'websocket') return 'HTTP 101 without an upgrade';
  if (headerOf(head, 'sec-websocket-accept') !== accept) return 'wrong Sec-WebSocket-Accept';
  if (headerOf(head, 'sec-websocket-protocol') !== SUBPROTOCOL) return `no subprotocol ${SUBPROTOCOL}`;
  if (headerOf(head, 'sec-websocket-extensions') !== undefined) return 'an extension nobody asked for';
  return undefined;
}

function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}:[ \\t]*([^\\r\\n]*?)[ \\t]*\\r\\n`, 'i').exec(head)?.[1];
}
