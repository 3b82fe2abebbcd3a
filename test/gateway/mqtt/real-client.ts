import type { ClientRequest } from 'node:http';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Test } from 'tap';
import type { GatewayProcess } from '../../gateway-process.js';
import { fenceId, onTwoNodes } from '../../one-process.js';
import { until } from '../../until.js';

/** MQTT.js as an application uses it, and what it was given, in the order in which it came. */

export interface Received {
  topic: string;
  payload: Buffer;
  qos: number;
  retain: boolean;
}

let clients = 0;
let marks = 0;

/** The stream below MQTT.js, as far as tests use it. */
interface WebSocketOfClient {
  protocol: string;
  on(event: 'close', listener: (code: number, reason: Buffer) => void): void;
}

export class RealClient {
  readonly mqtt: MqttClient;
  readonly received: Received[] = [];
  /** Of the last CONNACK. */
  sessionPresent: boolean | undefined;
  /** Of the last connection. */
  subprotocol = '';
  /** How each connection was closed: code and reason of the close frame, 1006 where there was none. */
  readonly closes: string[] = [];
  #refusedWith: number | undefined;
  /** Of the gateway that it is connected to, where that is known. */
  #arrived: () => Promise<void> = async () => undefined;

  private constructor(url: string, options: IClientOptions) {
    const wsOptions = { ...options.wsOptions, finishRequest: this.#onUpgrade };
    const clientId = `real-${++clients}`;
    this.mqtt = connect(url, { clientId, reconnectPeriod: 0, connectTimeout: 5_000, ...options, wsOptions });
    this.mqtt.on('message', (topic, payload, { qos, retain }) => {
      if (!onTwoNodes || topic !== fenceId) this.received.push({ topic, payload, qos, retain });
    });
    this.mqtt.on('connect', ({ sessionPresent }) => {
      this.sessionPresent = sessionPresent;
    });
    this.mqtt.on('error', () => undefined); // who waits for the connection is told by `connected`
  }

  /** Connects, gone when the test ends. @throws what the client says when it is refused */
  static async connect(t: Test, gateway: GatewayProcess, options: IClientOptions = {}): Promise<RealClient> {
    const client = await RealClient.connectTo(t, mqttUrl(gateway), options);
    client.#arrived = () => gateway.arrived();
    return client;
  }

  static async connectTo(t: Test, url: string, options: IClientOptions = {}): Promise<RealClient> {
    const client = new RealClient(url, options);
    t.teardown(() => client.mqtt.end(true));
    await client.#untilConnected();
    return client;
  }

  readonly #onUpgrade = (request: ClientRequest, socket: WebSocketOfClient): void => {
    request.on('upgrade', (response) => {
      this.subprotocol = response.headers['sec-websocket-protocol'] ?? '';
    });
    request.on('response', ({ statusCode }) => {
      this.#refusedWith = statusCode;
    });
    socket.on('close', (code, reason) => {
      this.closes.push(`${code} ${reason}`);
    });
    request.end();
  };

  #untilConnected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.mqtt.once('connect', () => resolve());
      this.mqtt.once('error', reject);
      this.mqtt.once('close', () =>
        reject(new Error(`closed before CONNACK, with HTTP ${this.#refusedWith}`)),
      );
    });
  }

  get connected(): boolean {
    return this.mqtt.connected;
  }

  /** Messages of this topic, or of all. */
  texts(topic?: string): string[] {
    const wanted = this.received.filter((message) => topic === undefined || message.topic === topic);
    return wanted.map(({ payload }) => payload.toString());
  }

  async subscribe(filter: string, qos: 0 | 1 | 2 = 0): Promise<void> {
    await this.mqtt.subscribeAsync(filter, { qos });
  }

  /** Resolves when the message has been sent, at QoS 1 and 2 when the gateway has taken it. */
  async publish(
    topic: string,
    payload: string | Buffer,
    options: { qos?: 0 | 1 | 2; retain?: boolean } = {},
  ): Promise<void> {
    await this.mqtt.publishAsync(topic, payload, options);
  }

  /** Waits until so many messages have come, and that nothing is behind them: a message of its own comes last. */
  async exactly(count: number): Promise<Received[]> {
    await until(`${count} messages have come`, () => this.received.length >= count);
    await this.#arrived();
    const mark = `mark-${++marks}`;
    await this.subscribe(mark);
    await this.publish(mark, 'last');
    await until('the mark has come', () => this.received.some(({ topic }) => topic === mark));
    await this.mqtt.unsubscribeAsync(mark);
    const last = this.received.findIndex(({ topic }) => topic === mark);
    this.received.splice(last, 1);
    if (this.received.length !== count)
      throw new Error(`${this.received.length} messages instead of ${count}: ${this.texts().slice(-3)}`);
    return this.received;
  }

  /** Says DISCONNECT and leaves. */
  async leave(): Promise<void> {
    await this.mqtt.endAsync();
  }

  /** Is gone without a good-bye. */
  async drop(): Promise<void> {
    this.mqtt.stream.destroy();
    await this.untilClosed();
  }

  async untilClosed(): Promise<void> {
    await until('the connection is closed', () => !this.mqtt.connected);
  }
}

export function mqttUrl(gateway: GatewayProcess): string {
  return `${gateway.url.replace('http', 'ws')}/mqtt`;
}

/** The message in short, as tests compare it. */
export function brief({ topic, payload, qos, retain }: Received): string {
  return `${topic} ${payload} ${qos}${retain ? ' retained' : ''}`;
}
