import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import type { Received } from './real-client.js';

/** From dist/ to the sources: the compiler leaves what is no TypeScript where it is. */
const agent = fileURLToPath(new URL('../../../../test/gateway/mqtt/paho-agent.py', import.meta.url));

export interface PahoOptions {
  clientId: string;
  clean?: boolean;
  keepAliveSec?: number;
  /** Default: paho, where there is a password. */
  userName?: string;
  password?: string;
  will?: { topic: string; text: string; qos: number; retain: boolean };
  /** Speak MQTT 3.1. */
  old?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: what an event holds is for the tests to say
type Event = any;

/** Eclipse Paho's Python client in a process of its own, which can be killed or stopped as a program can. */
export class PahoClient {
  readonly received: Received[] = [];
  readonly #events: Event[] = [];
  readonly #child: ChildProcess;
  #said = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => this.#note(JSON.parse(line)));
    child.stderr!.on('data', (text) => {
      this.#said += text;
    });
  }

  /** Gone when the test ends. @returns when CONNACK has come, whatever it says */
  static async connect(
    t: Test,
    python: string,
    { port }: GatewayProcess,
    options: PahoOptions,
  ): Promise<PahoClient> {
    const args = JSON.stringify({ clean: true, port, ...options });
    const client = new PahoClient(spawn(python, [agent, args], { stdio: ['pipe', 'pipe', 'pipe'] }));
    t.teardown(() => client.kill());
    await client.event('connected');
    return client;
  }

  /** Waits for the next event of this kind. */
  async event(name: string): Promise<Event> {
    const at = () => this.#events.findIndex(({ event }) => event === name);
    await until(`Paho says ${name}`, () => {
      if (this.#said !== '') throw new Error(this.#said);
      return at() !== -1;
    });
    return this.#events.splice(at(), 1)[0];
  }

  /** Of the last CONNACK. */
  connack: { code: number; sessionPresent: boolean } = { code: -1, sessionPresent: false };

  async subscribe(...filters: [filter: string, qos: number][]): Promise<number[]> {
    this.#do({ do: 'subscribe', filters });
    return (await this.event('subscribed')).granted;
  }

  async unsubscribe(filter: string): Promise<void> {
    this.#do({ do: 'unsubscribe', filter });
    await this.event('unsubscribed');
  }

  /** Resolves when Paho says that it is done: at QoS 1 and 2 when it is acknowledged. */
  async publish(topic: string, payload: string | Buffer, qos: number, retain = false): Promise<void> {
    this.#do({
      do: 'publish',
      topic,
      payload: Buffer.from(payload as string).toString('base64'),
      qos,
      retain,
    });
    await this.event('published');
  }

  /** Says DISCONNECT, and ends. */
  async leave(): Promise<void> {
    this.#do({ do: 'disconnect' });
    await this.event('disconnected');
    this.#child.stdin!.end();
    await once(this.#child, 'exit');
  }

  /** The process stands still: its connection is open, and nobody is there. */
  stop(): void {
    this.#child.kill('SIGSTOP');
  }

  /** The process is gone without a good-bye. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  async untilReceived(count: number): Promise<Received[]> {
    await until(`${count} messages have come`, () => this.received.length >= count);
    return this.received;
  }

  #do(command: object): void {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`);
  }

  #note(event: Event): void {
    if (event.event === 'connected') this.connack = event;
    if (event.event !== 'message') this.#events.push(event);
    else this.received.push({ ...event, payload: Buffer.from(event.payload, 'base64') });
  }
}
