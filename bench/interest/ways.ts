/** The ways of bench/interest.ts, each as small as it can be and still be true. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/transport-node';

export interface Way {
  /** @param onMessage with the id of what this node is sent */
  open(onMessage: (id: string) => void): Promise<void>;
  /** Somebody is logged in here as the id. */
  login(id: string): Promise<unknown> | undefined;
  flush?(): Promise<unknown>;
  publish(id: string, payload: Buffer): void;
}

export const wayNames = [
  'id',
  'directory',
  'directory in KV',
  '1024 partitions',
  '4096 partitions',
  '65536 partitions',
] as const;
export type WayName = (typeof wayNames)[number];

export const ways: Record<WayName, (connection: NatsConnection, node: number) => Way> = {
  id: byId,
  directory: byDirectory,
  'directory in KV': byKvDirectory,
  '1024 partitions': (connection) => byPartition(connection, 1024),
  '4096 partitions': (connection) => byPartition(connection, 4096),
  '65536 partitions': (connection) => byPartition(connection, 65_536),
};

const subjectOf = (id: string) => `m.${id.replaceAll('/', '.')}`;

/** What the engine does: NATS knows who wants what. */
function byId(connection: NatsConnection): Way {
  let callback: (refusal: Error | null, message: Msg) => void;
  return {
    async open(onMessage) {
      callback = (_, { subject }) => onMessage(subject.slice(2).replaceAll('.', '/'));
    },
    login(id) {
      connection.subscribe(subjectOf(id), { callback });
      return undefined;
    },
    publish: (id, payload) => connection.publish(subjectOf(id), payload),
  };
}

/** Each node says at each login who it has; each publisher keeps all that, and sends to the node. */
function byDirectory(connection: NatsConnection, node: number): Way {
  const directory = new Map<string, number>();
  let announced: string[] = [];
  const announce = () => {
    connection.publish(`logins.${node}`, announced.join('\n'));
    announced = [];
  };
  return {
    async open(onMessage) {
      subscribeNode(connection, node, onMessage);
      connection.subscribe('logins.*', {
        callback: (_, { subject, data }) => {
          for (const id of Buffer.from(data).toString().split('\n'))
            directory.set(id, Number(subject.slice(7)));
        },
      });
    },
    login(id) {
      directory.set(id, node);
      announced.push(id);
      if (announced.length === 100) announce();
      return undefined;
    },
    async flush() {
      if (announced.length > 0) announce();
    },
    publish: (id, payload) => publishToNode(connection, directory.get(id), id, payload),
  };
}

/**
 * The same, kept where a node that starts later, or one that was away, can read it. A KV bucket is a stream that keeps the
 * last message of each subject; each put waits for its acknowledgement, 200 at once.
 */
function byKvDirectory(connection: NatsConnection, node: number): Way {
  const directory = new Map<string, number>();
  const stream = jetstream(connection);
  let puts: Promise<unknown>[] = [];
  return {
    async open(onMessage) {
      subscribeNode(connection, node, onMessage);
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name: 'KV_logins', subjects: ['$KV.logins.>'], max_msgs_per_subject: 1 });
      connection.subscribe('$KV.logins.>', {
        callback: (_, { subject, data }) => {
          directory.set(subject.slice(11).replaceAll('.', '/'), Number(Buffer.from(data).toString()));
        },
      });
    },
    async login(id) {
      directory.set(id, node);
      puts.push(stream.publish(`$KV.logins.${id.replaceAll('/', '.')}`, String(node)));
      if (puts.length < 200) return;
      await Promise.all(puts);
      puts = [];
    },
    flush: () => Promise.all(puts),
    publish: (id, payload) => publishToNode(connection, directory.get(id), id, payload),
  };
}

/** A node hears the partitions that its ids fall into, and drops what it has nobody for. */
function byPartition(connection: NatsConnection, partitions: number): Way {
  const subscribed = new Set<number>();
  let callback: (refusal: Error | null, message: Msg) => void;
  return {
    async open(onMessage) {
      callback = (_, { data }) => onMessage(idIn(data));
    },
    login(id) {
      const partition = hash(id) % partitions;
      if (!subscribed.has(partition)) connection.subscribe(`p.${partition}`, { callback });
      subscribed.add(partition);
      return undefined;
    },
    publish: (id, payload) => connection.publish(`p.${hash(id) % partitions}`, withId(id, payload)),
  };
}

function subscribeNode(connection: NatsConnection, node: number, onMessage: (id: string) => void): void {
  connection.subscribe(`n.${node}`, { callback: (_, { data }) => onMessage(idIn(data)) });
}

function publishToNode(
  connection: NatsConnection,
  node: number | undefined,
  id: string,
  payload: Buffer,
): void {
  if (node !== undefined) connection.publish(`n.${node}`, withId(id, payload));
}

/** The id is in front of the payload, behind its length. */
function withId(id: string, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(1 + id.length + payload.length);
  bytes[0] = id.length;
  bytes.write(id, 1, 'latin1');
  payload.copy(bytes, 1 + id.length);
  return bytes;
}

function idIn(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.length).toString('latin1', 1, 1 + data[0]!);
}

/** FNV-1a. */
function hash(id: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) sum = Math.imul(sum ^ id.charCodeAt(i), 0x01000193);
  return sum >>> 0;
}
