import t, { type Test } from 'tap';
import { Backlog } from '../../gateway/backlog.js';
import { collectGarbage } from '../garbage.js';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { oneProcess } from '../one-process.js';
import { until } from '../until.js';
import { kernelQueues } from './kernel-queues.js';
import { batchOf, openStream, Wire } from './raw-wire.js';

// Each test has a server of its own; the longest mostly wait for a clock, and so come first.
t.jobs = 5;
/** For each; on a machine that is busy with other things, too. */
const patient = { buffered: true, timeout: 60_000 };

const quickly = {
  ...patient,
  ...oneProcess('60 MB are sent within the 10 s after which a stuck reader is cut'),
};

/** The others hold that what comes from another node takes the same way. */
const here = { ...patient, ...oneProcess('sockets and backlogs of one process, whatever fills them') };

type Stats = Awaited<ReturnType<GatewayProcess['stats']>>;

/** On loopback the kernel takes some 4 to 8 MB for a reader that reads nothing, before the server notices. */
const messageBytes = 50_000;
const pendingBytesMax = 500_000;

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags: ['--heartbeat-sec', '0', '--log-level', 'warn', ...flags] });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** Text of message `n`: its number, and bytes that show a wrong place. */
function textOf(n: number, bytes = messageBytes): string {
  return `${n} `.padEnd(bytes, `${n}-abcdefghijklmnopqrstuvwxyz`);
}

/** A publisher that numbers its messages to one id, from 1. */
class Publisher {
  readonly #gateway: GatewayProcess;
  #wire: Wire;
  readonly #id: string;
  sent = 0;
  /** As the API answered. */
  delivered = 0;

  private constructor(gateway: GatewayProcess, wire: Wire, id: string) {
    this.#gateway = gateway;
    this.#wire = wire;
    this.#id = id;
  }

  static async open(gateway: GatewayProcess, id: string): Promise<Publisher> {
    return new Publisher(gateway, await Wire.open(gateway.apiPort), id);
  }

  async send(count = 1, bytes = messageBytes): Promise<void> {
    for (let n = 0; n < count; n++) await this.#post(`/send/${this.#id}`, textOf(++this.sent, bytes));
  }

  async sendBatch(count: number, bytes: number): Promise<void> {
    const messages = Array.from({ length: count }, () => ({
      id: this.#id,
      data: textOf(++this.sent, bytes),
    }));
    await this.#post('/send', batchOf(messages));
  }

  async #post(path: string, body: string): Promise<void> {
    if (this.#wire.closed) this.#wire = await Wire.open(this.#gateway.apiPort); // it was idle for 10 s
    this.#wire.ask(path, { method: 'POST', body });
    this.delivered += (await this.#wire.untilComplete()).json.delivered;
  }

  /** Sends until /stats fulfils the condition. @returns the stats that did */
  async sendUntil(what: string, condition: (stats: Stats) => boolean): Promise<Stats> {
    let stats = await this.#gateway.stats();
    await until(
      what,
      async () => {
        if (condition(stats)) return true;
        await this.send(5);
        stats = await this.#gateway.stats();
        return condition(stats);
      },
      20_000,
    );
    return stats;
  }
}

/** A piece of a stream: message `n` with its text, or so many lost. */
type Piece = { n: number; text: string } | { lost: number };

function ndjsonPieces(wire: Wire): Piece[] {
  const lines = wire.text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const { data, lost } = JSON.parse(line);
    return lost === undefined ? { n: Number.parseInt(data, 10), text: data } : { lost };
  });
}

/** For a page that was open from the first message on: the page's own count is the message's number. */
function pagePieces(wire: Wire): Piece[] {
  const lines = wire.text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const message = /^Recvd msg #(\d+): '(.*)'<br\/>$/.exec(line);
    if (message !== null) return { n: Number(message[1]), text: message[2]! };
    const lost = /^<i>(\d+) (?:message was|messages were) lost: .*<\/i><br\/>$/.exec(line);
    if (lost === null) throw new Error(`neither message nor notice: ${line.slice(0, 100)}`);
    return { lost: Number(lost[1]) };
  });
}

/**
 * Every message is there once and in order and to the byte, or its loss is announced in its very place.
 * @returns how many are announced as lost
 */
function assertWhole(
  t: Test,
  pieces: Piece[],
  sent: number,
  bytesOf: (n: number) => number,
  name: string,
): number {
  let next = 1;
  let lostTotal = 0;
  let notices = 0;
  for (const piece of pieces) {
    if ('lost' in piece) {
      next += piece.lost;
      lostTotal += piece.lost;
      notices++;
      continue;
    }
    if (piece.n !== next)
      return t.fail(`${name}: ${piece.n} came where ${next} should be`) as unknown as number;
    if (piece.text !== textOf(next, bytesOf(next)))
      return t.fail(`${name}: ${next} is not what was sent`) as unknown as number;
    next++;
  }
  t.equal(
    next - 1,
    sent,
    `${name}: ${sent - lostTotal} came, and ${lostTotal} are announced in ${notices} places`,
  );
  return lostTotal;
}

const sameSize = () => messageBytes;

/** Sends one last message and waits for it, so that all before it has come, too. */
async function finish(publisher: Publisher, ...wires: Wire[]): Promise<void> {
  await publisher.send();
  for (const wire of wires) {
    await wire.saw(textOf(publisher.sent).slice(0, 40), 20_000);
    await until('the last line is closed', () => wire.chunks.at(-1)!.at(-1) === 0x0a);
  }
}

/** Lines of the log, parsed. */
function logged(gateway: GatewayProcess): Record<string, unknown>[] {
  return gateway.log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

t.test('a reader that stays stuck is cut after some seconds, counted and named', patient, async (t) => {
  const gateway = await start(t, '--slow-consumer-policy', 'drop-oldest', '--pending-bytes-max', '100000');
  const stuck = await openStream(gateway.port, '/stream/feed', '127.0.0.9');
  const publisher = await Publisher.open(gateway, 'feed');
  stuck.stall();
  await publisher.sendUntil('it is stuck', (stats) => stats.messages.lost > 3);
  const isCut = async () => (await gateway.stats()).connections.closed['stalled-consumer'] === 1;
  await until('it is cut', isCut, 20_000);
  t.match((await gateway.stats()).router, { ids: 0, logins: 0, subscribers: 0 });
  t.match((await gateway.stats()).slowConsumers, { now: 0, pendingBytes: 0 });
  const line = logged(gateway).find(({ reason }) => reason === 'stalled-consumer');
  t.match(line, { ids: 'feed', address: '127.0.0.9' });
});

/** Bytes that the kernel holds for this connection: sent and not read, on both of its ends. */
function kernelBytes({ socket }: Wire): number {
  const [client, server] = [socket.localPort!, socket.remotePort!];
  return kernelQueues(server, client).unsentBytes + kernelQueues(client, server).unreadBytes;
}

/** Fits one cork, with which uWS takes it whole, whatever the kernel then does. */
const corkedBytes = 12_000;

/** uWS's timer of 10 s has a grain of 4 s: what it cuts, it cuts after 8 to 12 s. */
const longerThanTimerMs = 13_500;

/**
 * How many messages of `corkedBytes` a reader that reads nothing takes before a write is refused; to the next twenty.
 */
async function countUntilRefused(gateway: GatewayProcess): Promise<number> {
  const wire = await openStream(gateway.port, '/stream/probe');
  const publisher = await Publisher.open(gateway, 'probe');
  wire.stall();
  const refused = async () => {
    await publisher.sendBatch(20, corkedBytes);
    return (await gateway.stats()).slowConsumers.now === 1;
  };
  await until('a write is refused', refused, 20_000);
  await wire.close();
  await until('it is gone', async () => (await gateway.stats()).connections.open === 0);
  return publisher.sent;
}

/**
 * Sends messages, each in a turn of its own, until the kernel did not take all of the last one: uWS has kept the
 * rest by itself then, and no write has said so. That is one message before the first refusal, so most are
 * sent at once.
 * @returns false when that was too many, and one was refused
 */
async function fillSilently(
  gateway: GatewayProcess,
  publisher: Publisher,
  wire: Wire,
  atOnce: number,
): Promise<boolean> {
  await publisher.sendBatch(atOnce, corkedBytes);
  let { written } = (await gateway.stats()).messages;
  for (let before = kernelBytes(wire); ; ) {
    await publisher.send(1, corkedBytes);
    written++;
    let stats: Stats;
    const isWritten = async () => {
      stats = await gateway.stats();
      return stats.slowConsumers.now > 0 || stats.messages.written === written;
    };
    await until('it is written', isWritten);
    if (stats.slowConsumers.now > 0) return false;
    const now = kernelBytes(wire);
    if (now - before < corkedBytes) return true;
    before = now;
  }
}

t.test('a stream that is slow only for a moment is not cut later, and gets everything', here, async (t) => {
  // uWS closes a connection some 10 s after backpressure that nobody watched, though it has drained long since.
  const gateway = await start(t, '--pending-bytes-max', '33554432');
  const silent: {
    wire: Wire;
    publisher: Publisher;
    bytesOf: (n: number) => number;
    pieces: (wire: Wire) => Piece[];
  }[] = [];
  for (const [path, pieces] of [
    ['/stream', ndjsonPieces],
    ['/test', pagePieces],
  ] as const) {
    for (const [name, bytesOf] of [
      ['large', (_n: number) => messageBytes],
      ['small', (_n: number) => 2_000],
    ] as const) {
      const id = `${path.slice(1)}-${name}`;
      const wire = await openStream(gateway.port, `${path}/${id}`);
      const publisher = await Publisher.open(gateway, id);
      wire.stall();
      const slow = async () => {
        await publisher.sendBatch(Math.ceil(1_000_000 / bytesOf(0)), bytesOf(0));
        return (await gateway.stats()).slowConsumers.now > 0;
      };
      await until(`${id} is slow`, slow, 20_000);
      wire.resume();
      await until(`${id} has caught up`, async () => (await gateway.stats()).slowConsumers.now === 0);
      silent.push({ wire, publisher, bytesOf, pieces });
    }
  }
  const drainedMs = performance.now();
  await until('uWS would have cut them', () => performance.now() - drainedMs > longerThanTimerMs, 20_000);
  for (const { wire, publisher, bytesOf, pieces } of silent) {
    t.notOk(wire.closed);
    await publisher.sendBatch(1, bytesOf(0));
    await wire.saw(textOf(publisher.sent, bytesOf(0)).slice(0, 30));
    await until('the last line is closed', () => wire.chunks.at(-1)!.at(-1) === 0x0a);
    t.equal(wire.problem, undefined);
    t.equal(assertWhole(t, pieces(wire), publisher.sent, bytesOf, 'it'), 0);
  }
  const { connections, messages } = await gateway.stats();
  t.match(connections, {
    open: 4,
    closed: { 'peer-closed': 0, 'stalled-consumer': 0, 'slow-consumer': 0 },
  });
  t.equal(messages.lost, 0);
  t.equal(gateway.log, '');
});

t.test('nor is one whose last write alone was not taken whole, and nothing was said', here, async (t) => {
  const gateway = await start(t);
  let atOnce = (await countUntilRefused(gateway)) - 30;
  let wire: Wire;
  let publisher: Publisher;
  do {
    wire = await openStream(gateway.port, `/stream/${atOnce}`);
    publisher = await Publisher.open(gateway, String(atOnce));
    wire.stall();
    atOnce -= 20;
  } while (!(await fillSilently(gateway, publisher, wire, atOnce + 20)));
  wire.resume();
  await wire.saw(textOf(publisher.sent, corkedBytes).slice(0, 30));
  const drainedMs = performance.now();
  await until('uWS would have cut it', () => performance.now() - drainedMs > longerThanTimerMs, 20_000);
  t.notOk(wire.closed);
  await publisher.send(1, corkedBytes);
  await wire.saw(textOf(publisher.sent, corkedBytes).slice(0, 30));
  await until('the last line is closed', () => wire.chunks.at(-1)!.at(-1) === 0x0a);
  t.equal(
    assertWhole(t, ndjsonPieces(wire), publisher.sent, () => corkedBytes, 'it'),
    0,
  );
  const { connections } = await gateway.stats();
  t.match(connections.closed, { 'stalled-consumer': 0, 'slow-consumer': 0 });
});

t.test(
  'disconnect: a stuck reader is cut at its limit, said so, and nobody else notices',
  patient,
  async (t) => {
    const gateway = await start(t, '--pending-bytes-max', String(pendingBytesMax));
    const stuck = await openStream(gateway.port, '/stream?id=feed&id=news', '127.0.0.9');
    const healthy = await openStream(gateway.port, '/stream/feed');
    const page = await openStream(gateway.port, '/test/feed');
    const publisher = await Publisher.open(gateway, 'feed');
    stuck.stall();
    let slowestMs = 0;
    let pendingMost = 0;
    const before = gateway.rssBytes;
    await until(
      'it is cut',
      async () => {
        const sentMs = performance.now();
        await publisher.send();
        await healthy.saw(`"${textOf(publisher.sent).slice(0, 30)}`);
        slowestMs = Math.max(slowestMs, performance.now() - sentMs);
        const { slowConsumers, connections } = await gateway.stats();
        pendingMost = Math.max(pendingMost, slowConsumers.pendingBytes);
        return connections.closed['slow-consumer'] === 1;
      },
      20_000,
    );
    t.ok(slowestMs < 30_000, `the slowest message to another was ${Math.round(slowestMs)} ms on its way`);
    t.ok(
      pendingMost > pendingBytesMax / 2 && pendingMost <= pendingBytesMax,
      `${pendingMost} bytes were kept for it`,
    );
    const stats = await gateway.stats();
    t.match(stats.connections, { open: 2, closed: { 'slow-consumer': 1, 'stalled-consumer': 0 } });
    t.match(stats.slowConsumers, { now: 0, pendingBytes: 0 });
    t.match(stats.router, { ids: 1, logins: 2, subscribers: 2 }, 'it is logged out of all its ids');
    t.ok(
      stats.messages.lost >= pendingBytesMax / (messageBytes + 64) - 1,
      `${stats.messages.lost} were lost`,
    );
    t.equal(
      stats.messages.lost + stats.messages.written,
      3 * publisher.sent,
      'and none is missing in the count',
    );
    const [line, ...more] = logged(gateway);
    t.match(line, { level: 40, reason: 'slow-consumer', ids: ['feed', 'news'], address: '127.0.0.9' });
    t.same(more, []);
    const growthBytes = gateway.rssBytes - before;
    t.ok(growthBytes < 40_000_000, `RSS grew by ${Math.round(growthBytes / 1024)} KB`);

    stuck.resume();
    await stuck.untilClosed();
    t.notOk(stuck.complete, 'a response that was cut does not look complete');
    await finish(publisher, healthy, page);
    t.equal(assertWhole(t, ndjsonPieces(healthy), publisher.sent, sameSize, 'the other stream'), 0);
    t.equal(assertWhole(t, pagePieces(page), publisher.sent, sameSize, 'the page'), 0);
    const again = await openStream(gateway.port, '/stream/feed');
    await finish(publisher, again);
    t.pass('it may come back at once');
  },
);

for (const policy of ['drop-newest', 'drop-oldest'] as const) {
  t.test(`${policy}: a stuck reader stays, and learns in place what it lost`, here, async (t) => {
    const flags = ['--slow-consumer-policy', policy, '--pending-bytes-max', String(pendingBytesMax)];
    const gateway = await start(t, ...flags);
    const stuck = await openStream(gateway.port, '/stream/feed', '127.0.0.9');
    const page = await openStream(gateway.port, '/test/feed', '127.0.0.8');
    const healthy = await openStream(gateway.port, '/stream/feed');
    const publisher = await Publisher.open(gateway, 'feed');
    stuck.stall();
    page.stall();
    const isStuck = (stats: Stats) => stats.slowConsumers.now === 2 && stats.messages.lost > 50;
    const stats = await publisher.sendUntil('both have lost messages', isStuck);
    await healthy.saw(`"${textOf(publisher.sent).slice(0, 30)}`);
    t.pass('another has everything while they are stuck');
    const { pendingBytes } = stats.slowConsumers;
    t.ok(
      pendingBytes > pendingBytesMax && pendingBytes <= 2 * pendingBytesMax,
      `${pendingBytes} bytes are kept`,
    );
    t.match(stats.connections, { open: 3, closed: { 'slow-consumer': 0 } });
    const dropped = policy === 'drop-newest' ? stats.messages.lost : 0;
    t.equal(stats.router.dropped, dropped, 'the API counts as delivered what was taken');
    t.equal(publisher.delivered, 3 * publisher.sent - dropped);

    stuck.resume();
    page.resume();
    await until('both have caught up', async () => (await gateway.stats()).slowConsumers.now === 0);
    await finish(publisher, stuck, page, healthy);
    t.equal(assertWhole(t, ndjsonPieces(healthy), publisher.sent, sameSize, 'the other'), 0);
    const lost =
      assertWhole(t, ndjsonPieces(stuck), publisher.sent, sameSize, 'the stream') +
      assertWhole(t, pagePieces(page), publisher.sent, sameSize, 'the page');
    t.equal(lost, stats.messages.lost, 'as many as /stats counted');
    for (const pieces of [ndjsonPieces(stuck), pagePieces(page)]) {
      const at = pieces.findIndex((piece) => 'lost' in piece);
      t.equal(
        pieces.findLastIndex((piece) => 'lost' in piece),
        at,
        'there was one gap',
      );
      // The newest lost: only the message after the drain follows. The oldest lost: all that were kept follow.
      const kept = Math.floor(pendingBytesMax / (messageBytes + 64));
      t.equal(pieces.length - 1 - at, policy === 'drop-newest' ? 1 : kept + 1, 'and it was in its place');
    }
    t.match((await gateway.stats()).slowConsumers, { now: 0, pendingBytes: 0 });
  });

  t.test(`${policy}: a log line says who loses messages`, here, async (t) => {
    const flags = ['--slow-consumer-policy', policy, '--pending-bytes-max', String(pendingBytesMax)];
    const gateway = await start(t, ...flags);
    const stuck = await openStream(gateway.port, '/stream/feed', '127.0.0.9');
    const publisher = await Publisher.open(gateway, 'feed');
    stuck.stall();
    await publisher.sendUntil('it has lost messages', (stats) => stats.messages.lost > 20);
    const lines = logged(gateway);
    t.ok(lines.length > 0, 'there is one');
    t.match(lines[0], { ids: 'feed', address: '127.0.0.9', reason: String });
    t.ok(lines.length <= 5, 'and not one for each message');
  });

  t.test(`${policy}: memory is bounded, however much is sent to a stuck reader`, quickly, async (t) => {
    const flags = ['--slow-consumer-policy', policy, '--pending-bytes-max', String(pendingBytesMax)];
    const gateway = await start(t, ...flags);
    const stuck = await openStream(gateway.port, '/stream/feed');
    const publisher = await Publisher.open(gateway, 'feed');
    stuck.stall();
    await publisher.sendUntil('it is stuck', (stats) => stats.messages.lost > 20);
    await publisher.send(200);
    const before = gateway.rssBytes;
    await publisher.send(1000);
    const growthBytes = gateway.rssBytes - before;
    t.ok(growthBytes < 40_000_000, `RSS grew by ${Math.round(growthBytes / 1024)} KB while 50 MB were sent`);
    const { slowConsumers } = await gateway.stats();
    t.match(slowConsumers, { now: 1 });
    t.ok(slowConsumers.pendingBytes <= pendingBytesMax, `${slowConsumers.pendingBytes} bytes are kept`);
  });

  t.test(`${policy}: readers that stop and go lose nothing unannounced`, patient, async (t) => {
    const flags = ['--slow-consumer-policy', policy, '--pending-bytes-max', String(pendingBytesMax)];
    const gateway = await start(t, ...flags);
    const stream = await openStream(gateway.port, '/stream/feed');
    const page = await openStream(gateway.port, '/test/feed');
    const publisher = await Publisher.open(gateway, 'feed');
    const sizes = [40, 1_000, 14_000, 15_340, 20_000, 60_000];
    const bytesOf = (n: number) => sizes[Math.floor(n / 50) % sizes.length]!;
    /** The rest of those that have the same size. */
    const sendSome = () => {
      const next = publisher.sent + 1;
      return publisher.sendBatch(50 - (next % 50), bytesOf(next));
    };
    for (let round = 0; round < 4; round++) {
      const lostBefore = (await gateway.stats()).messages.lost;
      stream.stall();
      page.stall();
      const lostMore = async () => {
        await sendSome();
        return (await gateway.stats()).messages.lost > lostBefore + 20;
      };
      await until('they have lost some more', lostMore, 20_000);
      // One catches up quite, the other first only so far that there is room again, while more comes.
      stream.resume();
      const pageReads = page.reads.length;
      page.resume();
      // Where the other one alone has lost something, there may be less than that for it to read.
      const isBehind = async () => (await gateway.stats()).slowConsumers.now > 0;
      const readSome = async () => page.reads.length > pageReads + 20 || !(await isBehind());
      await until('the page has read a little, or all', readSome);
      page.stall();
      await sendSome();
      page.resume();
    }
    await until('both have caught up', async () => (await gateway.stats()).slowConsumers.now === 0);
    const { lost } = (await gateway.stats()).messages;
    const last = publisher.sent + 1;
    await publisher.sendBatch(1, bytesOf(last));
    for (const wire of [stream, page]) {
      await wire.saw(textOf(last, bytesOf(last)).slice(0, 30));
      await until('the last line is closed', () => wire.chunks.at(-1)!.at(-1) === 0x0a);
      t.equal(wire.problem, undefined);
    }
    const announced =
      assertWhole(t, ndjsonPieces(stream), publisher.sent, bytesOf, 'the stream') +
      assertWhole(t, pagePieces(page), publisher.sent, bytesOf, 'the page');
    t.equal(announced, lost, 'what was lost was announced, and nothing else');
  });

  t.test(
    `${policy}: a message that is larger than the limit itself is dropped and announced`,
    patient,
    async (t) => {
      const gateway = await start(t, '--slow-consumer-policy', policy, '--pending-bytes-max', '10000');
      const stuck = await openStream(gateway.port, '/stream/feed');
      const publisher = await Publisher.open(gateway, 'feed');
      stuck.stall();
      await publisher.sendUntil('it is stuck', (stats) => stats.messages.lost > 3);
      const stats = await gateway.stats();
      t.equal(stats.slowConsumers.pendingBytes, 0);
      stuck.resume();
      await until('it has caught up', async () => (await gateway.stats()).slowConsumers.now === 0);
      await finish(publisher, stuck);
      t.equal(
        assertWhole(t, ndjsonPieces(stuck), publisher.sent, sameSize, 'the stream'),
        stats.messages.lost,
      );
    },
  );
}

for (const policy of ['disconnect', 'drop-newest', 'drop-oldest'] as const) {
  t.test(`${policy}: --pending-bytes-total-max bounds many stuck readers together`, here, async (t) => {
    const totalMax = 800_000;
    const flags = ['--pending-bytes-max', '700000', '--pending-bytes-total-max', String(totalMax)];
    const gateway = await start(t, '--slow-consumer-policy', policy, ...flags);
    const stuck: Wire[] = [];
    for (let n = 0; n < 3; n++)
      stuck.push(await openStream(gateway.port, '/stream/feed', `127.0.0.${10 + n}`));
    const healthy = await openStream(gateway.port, '/stream/feed');
    const publisher = await Publisher.open(gateway, 'feed');
    for (const wire of stuck) wire.stall();
    let most = 0;
    const stats = await publisher.sendUntil('the total is reached', ({ slowConsumers, messages }) => {
      most = Math.max(most, slowConsumers.pendingBytes);
      return messages.lost > (policy === 'disconnect' ? 0 : 20);
    });
    t.ok(most > totalMax / 2 && most <= totalMax, `${most} bytes were kept at most`);
    if (policy === 'disconnect') {
      t.equal(stats.connections.closed['slow-consumer'], 0, 'nobody passed its own limit');
      t.ok(stats.connections.closed['slow-consumers-total'] > 0, 'and the reason is counted');
      t.match(logged(gateway)[0], {
        reason: 'slow-consumers-total',
        ids: 'feed',
        address: /^127\.0\.0\.1\d$/,
      });
    } else {
      for (const wire of stuck) wire.resume();
      await until('all have caught up', async () => (await gateway.stats()).slowConsumers.now === 0);
      await finish(publisher, ...stuck);
      let lost = 0;
      for (const wire of stuck)
        lost += assertWhole(t, ndjsonPieces(wire), publisher.sent, sameSize, 'a stuck one');
      t.equal(lost, (await gateway.stats()).messages.lost);
      t.match((await gateway.stats()).slowConsumers, { now: 0, pendingBytes: 0 });
    }
    await finish(publisher, healthy);
    t.equal(assertWhole(t, ndjsonPieces(healthy), publisher.sent, sameSize, 'who reads'), 0);
  });
}

t.test('of losses only the number is kept, however many they are', async (t) => {
  const backlog = new Backlog('127.0.0.1');
  const lose = (count: number) => {
    for (let n = 0; n < count; n++) {
      backlog.dropOldest(); // there is none to drop, as when one message is larger than the limit
      backlog.noteLostAtTail();
    }
  };
  lose(100_000);
  const before = usedHeapBytes();
  lose(4_000_000);
  const growthBytes = usedHeapBytes() - before;
  t.ok(growthBytes < 10_000_000, `the heap grew by ${Math.round(growthBytes / 1024)} KB`);
  t.equal(backlog.peek(), 4_100_000);
});

function usedHeapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
