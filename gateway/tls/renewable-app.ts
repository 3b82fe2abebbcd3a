import type { AppOptions, TemplatedApp, WebSocketBehavior } from 'uWebSockets.js';
import type { Config } from '../config.js';
import type { ListenCallback, RoutedApp, RouteHandler, SocketFilter } from '../routed-app.js';
import { uWS } from '../uws.js';
import type { Certificate } from './certificate.js';
import type { Certificates } from './certificates.js';

type Bind = (app: TemplatedApp) => void;

/** The types of uWS 20.51 leave these methods out. A descriptor is the address of an app in memory. */
interface TlsApp extends TemplatedApp {
  getDescriptor(): number;
  /** Accepted sockets go there from now on. */
  addChildAppDescriptor(descriptor: number): void;
  removeChildAppDescriptor(descriptor: number): void;
}

interface ServingApp {
  readonly app: TlsApp;
  readonly descriptor: number;
}

/**
 * An app with TLS whose certificates can be replaced. uWS reads the files of a certificate once, when an app is made. So
 * there is one app that listens, and behind it one for each set of certificates, which gets the accepted sockets:
 *
 *     listening app ──(accepted sockets)──> app with the old certificates    until they are replaced
 *                                      └──> app with the new certificates    from then on
 *
 * The listening socket stays open meanwhile, and connections stay with the app that they began in. uWS's own
 * `removeServerName` would free the routes under the feet of open connections.
 */
export class RenewableApp implements RoutedApp {
  readonly #options: AppOptions;
  readonly #filters: Bind[] = [];
  readonly #routes: Bind[] = [];
  /** Made at the first `listen`, when all routes are known. Its own certificate is never used. */
  #listening: TlsApp | undefined;
  #certificates: readonly Certificate[];
  #serving: ServingApp | undefined;
  /** The apps before it are kept, as they have connections. */
  readonly #former: ServingApp[] = [];

  /** @param options all but the files of the certificates */
  constructor(certificates: readonly Certificate[], options: AppOptions) {
    this.#certificates = certificates;
    this.#options = options;
  }

  get(pattern: string, handler: RouteHandler): void {
    this.#routes.push((app) => app.get(pattern, handler));
  }

  head(pattern: string, handler: RouteHandler): void {
    this.#routes.push((app) => app.head(pattern, handler));
  }

  post(pattern: string, handler: RouteHandler): void {
    this.#routes.push((app) => app.post(pattern, handler));
  }

  options(pattern: string, handler: RouteHandler): void {
    this.#routes.push((app) => app.options(pattern, handler));
  }

  any(pattern: string, handler: RouteHandler): void {
    this.#routes.push((app) => app.any(pattern, handler));
  }

  ws<UserData>(pattern: string, behavior: WebSocketBehavior<UserData>): void {
    this.#routes.push((app) => app.ws(pattern, behavior));
  }

  filter(onChange: SocketFilter): void {
    this.#filters.push((app) => app.filter((response, change) => onChange(response, Number(change))));
  }

  listen(host: string, port: number, options: number, callback: ListenCallback): void {
    if (this.#listening === undefined) {
      this.#listening = this.#make(this.#certificates[0]!);
      this.renewal(this.#certificates)();
    }
    const listening = this.#listening as unknown as RoutedApp; // with a host, it takes options, too
    listening.listen(host, port, options, callback);
  }

  /**
   * Makes the app of new certificates. Nothing has changed until the returned function is called, which cannot fail.
   * @throws Error of uWS, when a file was replaced meanwhile
   */
  renewal(certificates: readonly Certificate[]): () => void {
    if (this.#listening === undefined) {
      return () => {
        this.#certificates = certificates;
      };
    }
    const app = this.#make(certificates[0]!);
    for (const bind of [...this.#filters, ...this.#routes]) bind(app);
    if (certificates.length > 1) this.#addNames(app, certificates);
    const renewed = { app, descriptor: app.getDescriptor() };
    const listening = this.#listening;
    return () => {
      listening.addChildAppDescriptor(renewed.descriptor);
      if (this.#serving !== undefined) {
        listening.removeChildAppDescriptor(this.#serving.descriptor);
        this.#former.push(this.#serving);
      }
      this.#serving = renewed;
      this.#certificates = certificates;
    };
  }

  /**
   * Adds the names of all certificates; a name gets the first one that has it. Routes of uWS belong to one name each.
   */
  #addNames(app: TemplatedApp, certificates: readonly Certificate[]): void {
    const certificateOf = new Map<string, Certificate>();
    for (const certificate of certificates)
      for (const name of certificate.names)
        if (!certificateOf.has(name)) certificateOf.set(name, certificate);
    for (const [name, certificate] of certificateOf) {
      app.addServerName(name, this.#optionsOf(certificate));
      app.domain(name);
      for (const bind of this.#routes) bind(app);
    }
  }

  #make(certificate: Certificate): TlsApp {
    return uWS.SSLApp(this.#optionsOf(certificate)) as TlsApp;
  }

  #optionsOf({ certFile, keyFile }: Certificate): AppOptions {
    return { ...this.#options, cert_file_name: certFile, key_file_name: keyFile };
  }
}

/** Makes an app that has these certificates, and later those that take their place. */
export function renewableAppOf(certificates: Certificates, config: Config): RenewableApp {
  const app = new RenewableApp(certificates.current, optionsOf(config));
  certificates.onRenewed((renewed) => app.renewal(renewed));
  return app;
}

/** A suite that no client can use, as it needs a secret that both sides share: so TLS 1.2 finds none. */
const noSuiteOfTls12 = 'ECDHE-PSK-AES128-CBC-SHA';

/** uWS takes TLS 1.2 and 1.3. The list of suites is one for TLS 1.2; those of 1.3 are always allowed. */
function optionsOf({ tlsMinVersion, tlsCiphers, tlsClientCaFile }: Config): AppOptions {
  const ciphers = tlsMinVersion === '1.3' ? noSuiteOfTls12 : tlsCiphers;
  return {
    ...(ciphers !== '' && { ssl_ciphers: ciphers }),
    ...(tlsClientCaFile !== '' && { ca_file_name: tlsClientCaFile }),
  };
}
