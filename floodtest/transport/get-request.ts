/** The request that opens a stream of messages for the id of a connection. */
import { idNumberOf, numberOf, placeOf, type Share } from '../plan.js';

export function getRequest(page: string, share: Share, connection: number): string {
  const { number, gateway } = placeOf(share, numberOf(share, connection));
  const id = `${share.idPrefix}${idNumberOf(share, number)}`;
  const path = id.split('/').map(encodeURIComponent).join('/');
  return `GET /${page}/${path} HTTP/1.1\r\nHost: ${gateway.host}\r\n\r\n`;
}
