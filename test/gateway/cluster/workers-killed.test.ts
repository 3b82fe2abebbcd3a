import { connectAsync, type MqttClient } from 'mqtt';
import t from 'tap';
import { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { listen } from './failure-parts.js';
import { startWorkers, workerPids } from './workers.js';

/** The clients of a worker that is killed come back together, to whichever other takes their connections. */

const redis = await RedisServer.start();
t.teardown(() => redis.stop());

const ids = Array.from({ length: 8 }, (_, n) => `both/${n}`);

/** Connections of one client, each with the texts that came over it. */
class Subscriber {
  readonly connections: string[][] = [];
  readonly #client: MqttClient;

  private constructor(client: MqttClient) {
    this.#client = client;
  }

  static async connect(url: string, id: string): Promise<Subscriber> {
    const client = await connectAsync(url, { reconnectPeriod: 20, resubscribe: false });
    const subscriber = new Subscriber(client);
    const subscribe = async () => {
      subscriber.connections.push([]);
      await client.subscribeAsync(id, { qos: 1 });
    };
    client.on('message', (_topic, payload) => subscriber.connections.at(-1)?.push(`${payload}`));
    client.on('error', () => {}); // it tries again
    await subscribe();
    client.on('connect', () => void subscribe().catch(() => {})); // where it is cut again, it comes again
    return subscriber;
  }

  get last(): string | undefined {
    return this.connections.at(-1)!.at(-1);
  }

  async end(): Promise<void> {
    await this.#client.endAsync(true);
  }
}

t.test(
  'two of three workers are killed, one after the other: nothing is lost, nothing comes twice',
  async (t) => {
    const supervisor = await startWorkers(t, redis, 3, ['--history-rules', '# 10000 60']);
    const streams = ids.map((id) => listen(t, supervisor, id, { resume: true }));
    const url = `${supervisor.url.replace('http', 'ws')}/mqtt`;
    const subscribers = await Promise.all(ids.map((id) => Subscriber.connect(url, id)));
    t.teardown(() => Promise.all(subscribers.map((subscriber) => subscriber.end())));
    await until('all streams are open', () => streams.every(({ open }) => open));

    let sent = 0;
    let stop = false;
    /** Each until it is known to be sent, with a key, as the worker that takes it may be the one that is killed. */
    const sendOne = async (id: string, text: string) => {
      const carried = async () => {
        const headers = { 'Idempotency-Key': `${id}-${text}` };
        const request = { method: 'POST', body: text, headers };
        const response = await fetch(`${supervisor.apiUrl}/send/${id}`, request).catch(() => undefined);
        await response?.arrayBuffer().catch(() => {});
        return response?.status === 200;
      };
      await until(`${text} is sent`, carried, 30_000);
    };
    const publisher = (async () => {
      for (; !stop; sent++) await Promise.all(ids.map((id) => sendOne(id, `${sent}`)));
    })();
    for (const worker of [1, 2]) {
      const before = sent;
      await until('messages flow', () => sent > before + 20, 30_000);
      const pid = workerPids(supervisor).get(worker)!;
      process.kill(pid, 'SIGKILL');
      await until('another has its place', () => workerPids(supervisor).get(worker) !== pid, 30_000);
    }
    const before = sent;
    await until('messages flow again', () => sent > before + 20, 30_000);
    stop = true;
    await publisher;
    const last = `${sent - 1}`;
    await until('all have the last', () =>
      [
        ...streams.map(({ texts }) => texts.at(-1)),
        ...subscribers.map((subscriber) => subscriber.last),
      ].every((text) => text === last),
    );
    const first = Number(streams[0]!.texts[0]);
    for (const { texts, recovered } of streams) {
      const from = Number(texts[0]);
      t.same(
        texts.map(Number),
        Array.from({ length: sent - from }, (_, n) => from + n),
        'a stream has all, in order, each once',
      );
      t.ok(recovered.every((said) => said));
    }
    t.ok(first <= 1);
    t.ok(
      streams.some(({ recovered }) => recovered.length > 0),
      'some were cut',
    );
    for (const { connections } of subscribers) {
      let next = 0;
      for (const texts of connections) {
        const numbers = texts.map(Number);
        if (numbers.length === 0) continue;
        t.ok(numbers[0]! >= next, `${numbers[0]} is not older than ${next}: nothing old comes as new`);
        t.same(
          numbers,
          numbers.map((_, n) => numbers[0]! + n),
          'from where it has subscribed all, in order, each once',
        );
        next = numbers.at(-1)! + 1;
      }
    }
    t.ok(
      subscribers.some(({ connections }) => connections.length > 1),
      'some of MQTT were, too',
    );
  },
);
