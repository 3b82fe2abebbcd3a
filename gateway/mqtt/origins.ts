import { HostNames } from '../auth/host-names.js';
import type { Config } from '../config.js';

/**
 * Which web pages may connect. A browser lets any page on the web open a WebSocket to anywhere, to somebody's loopback
 * too, and read and publish there; only its `Origin` tells. Programs that are no browsers send none.
 */
export class Origins {
  #allowed!: ReadonlySet<string>;
  readonly #hosts: HostNames;
  readonly #credentialsRequired: boolean;

  constructor(config: Pick<Config, 'mqttAllowOrigin' | 'mqttToken' | 'auth' | 'allowedHosts'>) {
    this.#hosts = new HostNames(config.allowedHosts);
    this.#credentialsRequired = config.mqttToken !== '' || config.auth.length > 0;
    this.take(config);
  }

  /** From now on these are the origins and the host names. */
  take({ mqttAllowOrigin, allowedHosts }: Pick<Config, 'mqttAllowOrigin' | 'allowedHosts'>): void {
    this.#allowed = new Set(mqttAllowOrigin);
    this.#hosts.take(allowedHosts);
  }

  /**
   * Whether a page may use what the browser sends for it, such as cookies: own pages, and those that the operator has named.
   * `*` names nobody. A page whose name was made to lead here (DNS rebinding) has the cookies of its own name alone.
   */
  mayUseCookies(origin: string, host: string): boolean {
    return origin === '' || this.#allowed.has(origin) || isOwn(origin, host);
  }

  /**
   * Own pages may, and those that the operator names. Where CONNECT needs no credentials, an own page is one that was opened
   * by address, or by a name of --allowed-hosts.
   */
  allow(origin: string, host: string): boolean {
    if (origin === '' || this.#allowed.has('*') || this.#allowed.has(origin)) return true;
    if (!isOwn(origin, host)) return false;
    return this.#credentialsRequired || this.#hosts.allow(host);
  }
}

function isOwn(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}
