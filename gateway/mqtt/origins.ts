import { isLoopback } from '../config.js';

/**
 * Which web pages may connect. A browser lets any page on the web open a WebSocket to anywhere, to somebody's loopback
 * too, and read and publish there; only its `Origin` tells. Programs that are no browsers send none.
 */
export class Origins {
  readonly #allowed: ReadonlySet<string>;
  readonly #onLoopback: boolean;

  /** @param allowed origins such as https://example.com; `*` is everybody */
  constructor(allowed: readonly string[], host: string) {
    this.#allowed = new Set(allowed);
    this.#onLoopback = isLoopback(host);
  }

  allow(origin: string, host: string): boolean {
    if (origin === '' || this.#allowed.has('*') || this.#allowed.has(origin)) return true;
    if (origin !== `http://${host}` && origin !== `https://${host}`) return false;
    // A name may be made to lead to somebody's loopback (DNS rebinding): there, only an address is an own page's host.
    return !this.#onLoopback || addressOrLocalhost.test(host.replace(/:\d+$/, ''));
  }
}

const addressOrLocalhost = /^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/;
