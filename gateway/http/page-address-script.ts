import { isAnyAddress } from '../listen-address.js';

/**
 * Addresses on the landing page and in the MQTT demo. A reader may use a proxy: another name, a prefix, TLS. So every
 * address is built from the page's own. The router API has its own listener and may be unreachable, so the page offers
 * it only after it has answered this browser.
 */

export interface ApiFacts {
  /** URL of its listener; null if this process has none. */
  readonly apiUrl: string | null;
  /** It listens on all addresses, and so also on that of the page, unless there is a proxy. */
  readonly apiOnAnyAddress: boolean;
  readonly tokenRequired: boolean;
}

export function apiFacts(apiUrl: string | null, apiHost: string, tokenRequired: boolean): ApiFacts {
  return { apiUrl, apiOnAnyAddress: isAnyAddress(apiHost), tokenRequired };
}

/** For connect-src. A policy cannot name an IPv6 address, nor "the host of this page at another port". */
export function apiSources({ apiUrl, apiOnAnyAddress }: ApiFacts): string[] {
  if (apiUrl === null) return [];
  const { origin, protocol, hostname, port } = new URL(apiUrl);
  return [apiOnAnyAddress || hostname.startsWith('[') ? `${protocol}//*:${port}` : origin];
}

/** Goes before a page's own script. @param page its path below the root, ending with a slash; '' = the root */
export function pageAddressScript(page: string): string {
  return String.raw`
const facts = JSON.parse(document.getElementById('facts').textContent);
const root = rootOf('${page}');
const api = apiOfReader();
const apiAnswers = api === undefined ? Promise.resolve(false) : answers(new URL('health', api));

/** Where the gateway is for this reader, such as https://example.com/push/ */
function rootOf(page) {
  const url = new URL(location.origin);
  const path = location.pathname.replace(/\/*$/, '/');
  url.pathname = path.endsWith('/' + page) ? path.slice(0, path.length - page.length) : path;
  return url;
}

function apiOfReader() {
  if (facts.apiUrl === null) return undefined;
  const url = new URL(facts.apiUrl);
  if (facts.apiOnAnyAddress) url.hostname = location.hostname;
  const local = isLoopback(url.hostname);
  if (local && !isLoopback(location.hostname)) return undefined; // it is the loopback of another machine
  // Browsers let no page of https call http.
  if (location.protocol === 'https:' && url.protocol === 'http:' && !local) return undefined;
  return url;
}

function isLoopback(host) {
  return /^(?:(?:[\w-]+\.)*localhost|127(?:\.\d+){3}|\[::1\])$/.test(host);
}

async function answers(url) {
  try {
    return (await fetch(url, { cache: 'no-store' })).ok;
  } catch {
    return false;
  }
}

function pathOf(id) {
  return id.split('/').map(encodeURIComponent).join('/');
}

/** A browser resolves . and .. in a path, however they are written. */
function fitsPath(id) {
  return !id.split('/').some((level) => level === '.' || level === '..');
}

function curlToListen(id) {
  return 'curl -N ' + shellWord(new URL('stream/' + pathOf(id), root).href);
}

function curlToSend(id) {
  const token = facts.tokenRequired ? "-H 'Authorization: Bearer <token>' " : '';
  return 'curl ' + token + "-d 'Hello World' " + shellWord(new URL('send/' + pathOf(id), api).href);
}

function shellWord(text) {
  return /^[\w.:\/%@+~,=-]+$/.test(text) ? text : "'" + text.replaceAll("'", '%27') + "'";
}
`;
}
