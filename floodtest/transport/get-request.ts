/** The request that asks for the messages to the id of a connection. */
import { assignmentOf, idNumberOf, numberOf, type Share } from '../plan.js';

/**
 * @param query with its question mark
 * @param header with its CRLF
 */
export function getRequest(page: string, share: Share, connection: number, query = '', header = ''): string {
  const { number, gateway } = assignmentOf(share, numberOf(share, connection));
  const id = `${share.idPrefix}${idNumberOf(share, number)}`;
  const path = id.split('/').map(encodeURIComponent).join('/');
  return `GET /${page}/${path}${query} HTTP/1.1\r\nHost: ${gateway.host}\r\n${header}\r\n`;
}
