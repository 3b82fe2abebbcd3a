import { freePort } from './free-port.js';
import { NatsServer } from './nats-server.js';

/** Some real nats-servers that make one NATS cluster. */
export class NatsCluster {
  readonly servers: readonly NatsServer[];

  private constructor(servers: readonly NatsServer[]) {
    this.servers = servers;
  }

  /** @param advertise whether clients are told of the other servers, and when they come and go */
  static async start(size: number, { advertise = true } = {}): Promise<NatsCluster> {
    const routePorts = await Promise.all(Array.from({ length: size }, freePort));
    const routes = routePorts.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
    const servers = routePorts.map((port) =>
      NatsServer.start({
        jetStream: false,
        configuration: `cluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}], no_advertise: ${!advertise} }`,
      }),
    );
    return new NatsCluster(await Promise.all(servers));
  }

  get urls(): string {
    return this.servers.map(({ url }) => url).join(',');
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }
}
