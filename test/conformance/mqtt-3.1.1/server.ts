import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { type Connect, connect } from './packet-bytes.js';
import { type Endpoint, RawMqtt } from './raw-mqtt.js';
import type { Connack } from './received-packet.js';

/**
 * The server under test: an `encke start` of its own for each file, or the one that MQTT_CONFORMANCE_URL
 * names (ws://127.0.0.1:9001/mqtt). Running the suite against another broker tells a fault of the server from
 * a fault of the test.
 */

export class Server {
  readonly endpoint: Endpoint;
  /** Where publishers connect: another node, where there are two. */
  readonly publisherEndpoint: Endpoint;
  /** Not Encke: it knows none of our flags, and what the standard leaves open it does in its own way. */
  readonly foreign: boolean;
  readonly #stop: () => Promise<unknown>;

  constructor(
    foreign: boolean,
    endpoint: Endpoint,
    publisherEndpoint: Endpoint,
    stop: () => Promise<unknown>,
  ) {
    this.foreign = foreign;
    this.endpoint = endpoint;
    this.publisherEndpoint = publisherEndpoint;
    this.#stop = stop;
  }

  async stop(): Promise<void> {
    await this.#stop();
  }

  /** For a test's options: skips it where another server cannot be asked. */
  get onlyOurs(): { skip?: string } {
    return this.foreign ? { skip: 'says how Encke does it' } : {};
  }

  /** An open WebSocket on which no packet has been sent; gone when the test ends. */
  async open(t: Test, subprotocols?: readonly string[], endpoint = this.endpoint): Promise<RawMqtt> {
    const client = await RawMqtt.open(endpoint, subprotocols);
    t.teardown(() => client.drop());
    return client;
  }

  /** Opens, sends this CONNECT and hands back the answer with the connection. */
  async connect(
    t: Test,
    options: Connect,
    endpoint = this.endpoint,
  ): Promise<{ client: RawMqtt; connack: Connack }> {
    const client = await this.open(t, options.protocolLevel === 3 ? ['mqttv3.1'] : ['mqtt'], endpoint);
    client.send(connect(options));
    const connack = await client.next();
    if (connack.type !== 'CONNACK') throw new Error(`not a CONNACK: ${JSON.stringify(connack)}`);
    return { client, connack };
  }

  /** A client that has been accepted. */
  async client(t: Test, options: Connect = {}, endpoint = this.endpoint): Promise<RawMqtt> {
    const { client, connack } = await this.connect(t, { clientId: fresh('client'), ...options }, endpoint);
    if (connack.returnCode !== 0) throw new Error(`not accepted: ${JSON.stringify(connack)}`);
    return client;
  }

  /** A client that publishes to the others; at the other node, where there are two. */
  async publisher(t: Test, options: Connect = {}): Promise<RawMqtt> {
    return this.client(t, options, this.publisherEndpoint);
  }
}

/** @param flags of `encke start` */
export async function startServer(flags: string[] = []): Promise<Server> {
  const url = process.env.MQTT_CONFORMANCE_URL;
  if (url !== undefined) {
    const { hostname, port, pathname } = new URL(url);
    const endpoint = { host: hostname, port: Number(port), path: pathname };
    return new Server(true, endpoint, endpoint, async () => undefined);
  }
  const gateway = await startGateway({ flags });
  return new Server(false, endpointOf(gateway), endpointOf(gateway.publisher), () => gateway.kill());
}

/** A gateway in a process of its own, or in this one. */
export type Reachable = Pick<GatewayProcess, 'port' | 'arrived'>;

export function endpointOf(gateway: Reachable): Endpoint {
  const arrived = () => gateway.arrived();
  return { host: '127.0.0.1', port: gateway.port, path: '/mqtt', arrived };
}

/** A name that no other test uses: servers keep sessions and retained messages from test to test. */
export function fresh(prefix: string): string {
  return `${prefix}${randomBytes(5).toString('hex')}`;
}
