/** A router's global name on a real NATS server, which remembers what came and can stall, refuse or vanish on request. */
import { connect, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';

export interface Asked {
  id: string;
  data: string;
  /** Absent where the sender says nothing of it. */
  wait: boolean | undefined;
  /** Where the answer goes: tells the connections apart. */
  inbox: string;
  atMs: number;
}

export class NameServer {
  readonly taken: Asked[] = [];
  /** What a message is answered with. */
  answer: object = { delivered: 1 };
  readonly #nats: NatsConnection;
  readonly #name: string;
  #subscriptions: Subscription[] = [];
  #stalled: Msg[] | undefined;

  private constructor(nats: NatsConnection, name: string) {
    this.#nats = nats;
    this.#name = name;
  }

  static async open(url: string, name: string): Promise<NameServer> {
    const server = new NameServer(
      await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 }),
      name,
    );
    await server.appear();
    return server;
  }

  async appear(): Promise<void> {
    this.#subscriptions = [
      this.#nats.subscribe(`${this.#name}.send`, { callback: (_error, message) => this.#take(message) }),
      this.#nats.subscribe(`${this.#name}.stats`, {
        callback: (_error, message) => void message.respond('{}'),
      }),
    ];
    await this.#nats.flush();
  }

  /** Drains: a plain unsubscribe would drop what the server sent before it heard of it, and leave it unanswered. */
  async vanish(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.drain()));
  }

  /** Taken and not answered. */
  get waiting(): number {
    return this.#stalled?.length ?? 0;
  }

  /** From now on nothing is answered, until `goOn`. */
  stall(): void {
    this.#stalled ??= [];
  }

  goOn(): void {
    const stalled = this.#stalled ?? [];
    this.#stalled = undefined;
    for (const message of stalled) this.#respond(message);
  }

  close(): Promise<void> {
    return this.#nats.close();
  }

  #take(message: Msg): void {
    const { id, data, wait } = message.json<{ id: string; data: string; wait?: boolean }>();
    const inbox = message.reply!.slice(0, message.reply!.lastIndexOf('.'));
    this.taken.push({ id, data, wait, inbox, atMs: performance.now() });
    if (this.#stalled === undefined) this.#respond(message);
    else this.#stalled.push(message);
  }

  #respond(message: Msg): void {
    message.respond(JSON.stringify(this.answer));
  }
}
