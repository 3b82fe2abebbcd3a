import { connect, type MqttClient } from 'mqtt';
import { Listener } from '../../gateway/cluster/listener.js';
import type { WorldNode } from './world.js';

/** One connection of a subscriber, from its beginning to its end. */
export interface Opening {
  readonly client: string;
  readonly node: number;
  /** Undefined: all of them. */
  readonly ids: ReadonlySet<string> | undefined;
  /** Logged in by then; Infinity = not yet. */
  openMs: number;
  closeMs: number;
  readonly heard: { text: string; id: string; atMs: number }[];
}

export interface Subscriber {
  readonly openings: readonly Opening[];
  readonly open: boolean;
  close(): void;
}

/** A stream of NDJSON; goes to the next node when it ends. */
export class HttpSubscriber implements Subscriber {
  readonly openings: Opening[] = [];
  readonly #listener: Listener;

  constructor(client: string, nodes: readonly WorldNode[], first: number, ids: readonly string[]) {
    const order = nodes.map((_, i) => nodes[(first + i) % nodes.length]!);
    this.#listener = new Listener(
      order.map(({ url }) => url),
      ids,
      {
        onOpen: (at) =>
          this.openings.push(opening(client, order[at]!.index, new Set(ids), performance.now())),
        onClose: () => close(this.openings),
        onMessage: ({ id, data, atMs }) => this.openings.at(-1)!.heard.push({ id, text: data, atMs }),
      },
    );
  }

  get open(): boolean {
    return this.#listener.open;
  }

  close(): void {
    this.#listener.close();
  }
}

/** An MQTT client at one node with filters that overlap; comes back to it. */
export class MqttSubscriber implements Subscriber {
  readonly openings: Opening[] = [];
  readonly #client: MqttClient;

  constructor(client: string, node: WorldNode, filters: string[]) {
    this.#client = connect(`${node.url.replace('http', 'ws')}/mqtt`, {
      clientId: client,
      reconnectPeriod: 50,
      connectTimeout: 15_000,
      resubscribe: false,
    });
    this.#client.on('connect', () => {
      const mine = opening(client, node.index, undefined, Number.POSITIVE_INFINITY);
      this.openings.push(mine);
      this.#client.subscribe(filters, (error) => {
        if (error === null) mine.openMs = performance.now();
      });
    });
    this.#client.on('message', (id, payload) =>
      this.openings.at(-1)!.heard.push({ id, text: `${payload}`, atMs: performance.now() }),
    );
    this.#client.on('close', () => close(this.openings));
    this.#client.on('error', () => {}); // it tries again
  }

  get open(): boolean {
    const last = this.openings.at(-1);
    return last !== undefined && isOpen(last);
  }

  close(): void {
    this.#client.end(true);
  }
}

export function isOpen({ openMs, closeMs }: Opening): boolean {
  return openMs < Number.POSITIVE_INFINITY && closeMs === Number.POSITIVE_INFINITY;
}

function opening(client: string, node: number, ids: Opening['ids'], openMs: number): Opening {
  return { client, node, ids, openMs, closeMs: Number.POSITIVE_INFINITY, heard: [] };
}

function close(openings: readonly Opening[]): void {
  const last = openings.at(-1);
  if (last?.closeMs === Number.POSITIVE_INFINITY) last.closeMs = performance.now();
}
