import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { SeededRandom } from '../seeded-random.js';
import { until } from '../until.js';
import { badRequests, get, post, postChunked } from './bad-requests.js';
import { type Census, census } from './census.js';
import { ask, batchOf, openStream, Wire } from './raw-wire.js';

oneProcessFile('it counts what one process holds: sockets, descriptors, memory');

/**
 * Always: streams of the gateway = subscribers of the router = sockets of the process, and logins = ids of the streams.
 * When all clients have gone, nothing is left of them.
 */

const flags = ['--body-timeout-sec', '1', '--heartbeat-sec', '1', '--log-level', 'error'];
const random = new SeededRandom();
t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);

/** Waits until the census is this, and says what it was instead. */
async function counts(
  t: Test,
  gateway: GatewayProcess,
  what: string,
  expected: () => Partial<Census>,
): Promise<void> {
  let counted: Partial<Census> = {};
  const agrees = async () => {
    const all = await census(gateway);
    const wanted = expected();
    counted = Object.fromEntries(Object.keys(wanted).map((key) => [key, all[key as keyof Census]]));
    return isDeepStrictEqual(counted, wanted);
  };
  await until(what, agrees, 20_000).catch(() => undefined);
  t.same(counted, expected(), what);
}

/** The counts of `streams` streams with `logins` logins, everywhere. */
function censusOf(streams: number, logins: number, ids: number): Census {
  return {
    connections: streams,
    subscribers: streams,
    logins,
    ids,
    sockets: streams,
    countedSockets: streams,
    pendingBytes: 0,
  };
}

async function send(gateway: GatewayProcess, id: string, body: string): Promise<number> {
  return (await ask(gateway.apiPort, `/send/${id}`, { method: 'POST', body })).json.delivered;
}

async function times(count: number, atOnce: number, one: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** Sends raw bytes, and leaves in one of several ways, or waits to be answered first. */
async function sendAndLeave(port: number, bytes: string | Buffer, way: number): Promise<void> {
  const wire = await Wire.open(port);
  const sent = new Promise((done) => wire.socket.write(bytes, done));
  if (way === 0) return wire.reset();
  await sent;
  if (way === 1) return wire.reset();
  if (way === 2) wire.socket.end();
  await until('there is an answer or an end', () => wire.head !== '' || wire.closed, 20_000);
  await (way === 3 ? wire.reset() : wire.close());
}

type Storm = (gateway: GatewayProcess) => Promise<void>;

const storms: Record<string, Storm> = {
  'bad requests, left in every way': (gateway) =>
    times(badRequests.length * 5, 40, (n) => {
      const { to, bytes } = badRequests[n % badRequests.length]!;
      return sendAndLeave(to === 'api' ? gateway.apiPort : gateway.port, bytes, n % 5);
    }),
  'connections that say nothing and reset': (gateway) =>
    times(1000, 100, async () => (await Wire.open(gateway.port)).reset()),
  'half heads': (gateway) => {
    const head = get('/test/half');
    return times(head.length * 5, 40, (n) =>
      sendAndLeave(gateway.port, head.slice(0, 1 + (n % (head.length - 1))), n % 2),
    );
  },
  'half bodies': (gateway) => {
    const bodies = [
      post('/send/half', 'hello', 100),
      post('/send', '{"id":"half","data":"x"}\n{', 1000),
      postChunked('/send/half', ['hello'], ''),
      postChunked('/send/half', [], '5\r\nhe'),
    ];
    return times(200, 40, (n) => sendAndLeave(gateway.apiPort, bodies[n % bodies.length]!, n % 5));
  },
  'streams that are left before they greet': (gateway) =>
    times(500, 50, (n) => sendAndLeave(gateway.port, get(`/stream?id=early&id=early-${n}`), n % 3)),
  'streams that reset': (gateway) =>
    times(500, 50, async (n) => (await openStream(gateway.port, `/test/${n % 50}`)).reset()),
  'streams that close': (gateway) =>
    times(500, 50, async (n) => (await openStream(gateway.port, `/stream?id=${n}&id=shared`)).close()),
  'streams that half-close': (gateway) =>
    times(200, 50, async (n) => {
      const wire = await openStream(gateway.port, `/stream/${n % 50}`);
      wire.socket.end();
      await wire.untilClosed();
    }),
  'streams that ask again': (gateway) =>
    times(100, 20, async (n) => {
      const wire = await openStream(gateway.port, `/test/${n}`);
      wire.socket.write(get('/test/again').repeat(1 + n * 10));
      await wire.untilClosed();
    }),
  'pipelines that are left in the middle': (gateway) =>
    times(60, 10, (n) => {
      const requests = [get('/numbers').repeat(200), get('/test/x').repeat(200), get('/nowhere').repeat(200)];
      const sends = [post('/send/x', 'x').repeat(200), get('/ids/x').repeat(200)];
      return n % 2 === 0
        ? sendAndLeave(gateway.port, requests[n % 3]!, n % 5)
        : sendAndLeave(gateway.apiPort, sends[n % 4 === 1 ? 0 : 1]!, n % 5);
    }),
  'batches whose publisher leaves': (gateway) => {
    const batch = batchOf(Array.from({ length: 20_000 }, (_, n) => ({ id: `${n % 100}`, data: 'x' })));
    return times(10, 5, (n) => sendAndLeave(gateway.apiPort, post('/send', batch), n % 5));
  },
  'streams that go while a message is on its way to them': async (gateway) => {
    for (let round = 0; round < 5; round++) {
      const wires: Wire[] = [];
      await times(100, 50, async () => wires.push(await openStream(gateway.port, '/test/crowd')));
      const sending = Array.from({ length: 20 }, () => send(gateway, 'crowd', 'x'.repeat(1000)));
      const leaving = wires.map((wire, n) => (n % 2 === 0 ? wire.reset() : wire.close()));
      await Promise.all([...sending, ...leaving]);
    }
  },
  'slow consumers, cut or gone by themselves': async (gateway) => {
    const wires: Wire[] = [];
    await times(8, 8, async (n) => wires.push(await openStream(gateway.port, `/stream?id=slow&id=${n}`)));
    for (const wire of wires) wire.stall();
    const closed = async () =>
      (await ask(gateway.apiPort, '/stats')).json.connections.closed['slow-consumer'];
    const before = await closed();
    const flood = batchOf(Array.from({ length: 16 }, () => ({ id: 'slow', data: 'x'.repeat(60_000) })));
    await until('some are cut', async () => {
      await ask(gateway.apiPort, '/send', { method: 'POST', body: flood });
      return (await closed()) >= before + 4 || (await census(gateway)).connections <= 1;
    });
    await Promise.all(wires.map((wire, n) => (n % 2 === 0 ? wire.reset() : wire.close())));
  },
};

t.test('after every storm only those who stayed are there, and they are served', async (t) => {
  const gateway = await startGateway({ flags: [...flags, '--pending-bytes-max', '200000'] });
  t.teardown(() => gateway.kill());
  await counts(t, gateway, 'at the start there is nobody', () => censusOf(0, 0, 0));
  const { descriptors } = gateway;
  const bystander = await openStream(gateway.port, '/stream?id=by&id=stander');
  const staying = () => censusOf(1, 2, 2);
  await counts(t, gateway, 'one bystander', staying);
  let sent = 0;
  for (const [name, storm] of Object.entries(storms)) {
    await storm(gateway);
    await counts(t, gateway, `after ${name}`, staying);
    t.equal(await send(gateway, 'stander', `m${++sent}`), 1);
    await bystander.saw(`"m${sent}"`);
    t.equal(gateway.log, '', 'nothing was logged');
  }
  await bystander.close();
  await counts(t, gateway, 'when all are gone, nobody is left', () => censusOf(0, 0, 0));
  await until('no descriptor is left', () => gateway.descriptors === descriptors).catch(() => undefined);
  t.equal(gateway.descriptors, descriptors, 'no descriptor is left');
  t.ok(gateway.alive);
});

/** A stream of the random mix. */
interface Client {
  wire: Wire;
  /** The first is its own, the others it may share. */
  ids: string[];
  /** It has sent what makes the server close it. */
  leaving: boolean;
}

/** A random mix of everything clients can do to a gateway, one step after the other. */
class Mix {
  readonly #gateway: GatewayProcess;
  readonly #random: SeededRandom;
  clients: Client[] = [];
  #opened = 0;
  readonly #strangers: Promise<void>[] = [];

  constructor(gateway: GatewayProcess, random: SeededRandom) {
    this.#gateway = gateway;
    this.#random = random;
  }

  async step(): Promise<void> {
    const random = this.#random;
    const kind = random.below(100);
    if (this.clients.length < 10 || (kind < 25 && this.clients.length < 80)) return this.#open();
    const client = random.pick(this.clients);
    if (kind < 45) await send(this.#gateway, this.#id(), 'x'.repeat(random.below(5000)));
    else if (kind < 55) await this.#batch();
    else if (kind < 60) client.wire.stall();
    else if (kind < 63) client.wire.resume();
    else if (kind < 66) this.#flood(client);
    else if (kind < 74) await this.#leave(client, () => this.#reset(client));
    else if (kind < 80) await this.#leave(client, () => client.wire.close());
    else if (kind < 85) await this.#leave(client, () => client.wire.socket.end());
    else if (kind < 90) await this.#leave(client, () => client.wire.socket.write(get('/test/again')));
    else this.#stranger();
  }

  /** Ends whoever is neither a stream nor gone, reads what was left unread, and forgets who was closed. */
  async calm(): Promise<void> {
    await Promise.all(this.#strangers.splice(0));
    for (const { wire } of this.clients) wire.resume();
    const leaving = this.clients.filter((client) => client.leaving);
    await Promise.all(leaving.map(({ wire }) => wire.untilClosed(20_000)));
  }

  /** Open streams, by the clients' knowledge. */
  expected(): Census {
    this.clients = this.clients.filter(({ wire }) => !wire.closed);
    const logins = this.clients.flatMap(({ ids }) => ids);
    return censusOf(this.clients.length, logins.length, new Set(logins).size);
  }

  #id(): string {
    return `id/${this.#random.below(12)}`;
  }

  async #open(): Promise<void> {
    const random = this.#random;
    const own = `own/${this.#opened++}`;
    const ids = [own, ...new Set(Array.from({ length: random.pick([0, 0, 1, 1, 4, 8]) }, () => this.#id()))];
    const flavour = random.pick(['test', 'stream']);
    const path = ids.length === 1 ? `/${flavour}/${own}` : `/stream?${ids.map((id) => `id=${id}`).join('&')}`;
    this.clients.push({ wire: await openStream(this.#gateway.port, path), ids, leaving: false });
  }

  async #batch(): Promise<void> {
    const messages = Array.from({ length: 1 + this.#random.below(50) }, () => ({
      id: this.#id(),
      data: 'x'.repeat(this.#random.below(2000)),
    }));
    await ask(this.#gateway.apiPort, '/send', { method: 'POST', body: batchOf(messages) });
  }

  /** So much for one that does not read that it falls behind, and is cut or loses some. */
  #flood(client: Client): void {
    client.wire.stall();
    const messages = Array.from({ length: 65 }, () => ({ id: client.ids[0]!, data: 'x'.repeat(60_000) }));
    this.#strangers.push(
      ask(this.#gateway.apiPort, '/send', { method: 'POST', body: batchOf(messages) }).then(() => undefined),
    );
  }

  /** Node cannot reset a socket whose half-close is under way: EINVAL, and it never closes. */
  #reset({ wire }: Client): Promise<void> {
    return wire.socket.writable ? wire.reset() : wire.close();
  }

  async #leave(client: Client, leave: () => unknown): Promise<void> {
    client.leaving = true;
    await leave();
  }

  #stranger(): void {
    const { to, bytes } = this.#random.pick(badRequests);
    const way = this.#random.below(5);
    const { port, apiPort } = this.#gateway;
    this.#strangers.push(sendAndLeave(to === 'api' ? apiPort : port, bytes, way));
  }
}

for (const policy of ['disconnect', 'drop-newest', 'drop-oldest']) {
  t.test(`a random mix of everything, with slow consumers: ${policy}`, async (t) => {
    t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);
    const limits = ['--pending-bytes-max', '200000', '--slow-consumer-policy', policy];
    const gateway = await startGateway({ flags: [...flags, ...limits] });
    t.teardown(() => gateway.kill());
    await counts(t, gateway, 'at the start there is nobody', () => censusOf(0, 0, 0));
    const { descriptors } = gateway;
    const mix = new Mix(gateway, random);
    for (let round = 0; round < 4; round++) {
      for (let step = 0; step < 120; step++) await mix.step();
      await mix.calm();
      await counts(t, gateway, `round ${round + 1}`, () => mix.expected());
    }
    t.not(mix.clients.length, 0, 'somebody was there to be counted');
    await Promise.all(mix.clients.map(({ wire }) => wire.close()));
    await counts(t, gateway, 'when all are gone, nobody is left', () => censusOf(0, 0, 0));
    await until('no descriptor is left', () => gateway.descriptors === descriptors).catch(() => undefined);
    t.equal(gateway.descriptors, descriptors, 'no descriptor is left');
    t.ok(gateway.alive);
    t.equal(gateway.log, '');
  });
}
