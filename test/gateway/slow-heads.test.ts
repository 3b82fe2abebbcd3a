import t from 'tap';
import { freePort } from '../free-port.js';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { ask, openStream, Wire } from './raw-wire.js';

oneProcessFile('the sockets of one process');

/** Sockets that begin a request and do not go on, this many, each replaced when it is closed. */
class SlowHeads {
  readonly #wires = new Set<Wire>();
  readonly #port: number;
  readonly #host: string;
  #opening = true;
  opened = 0;
  refused = 0;

  constructor(port: number, count: number, host = '127.0.0.1') {
    this.#port = port;
    this.#host = host;
    for (let n = 0; n < count; n++) void this.#keepOne();
  }

  stop(): Promise<unknown> {
    this.#opening = false;
    return Promise.all([...this.#wires].map((wire) => wire.close()));
  }

  async #keepOne(): Promise<void> {
    while (this.#opening) {
      const wire = await Wire.open(this.#port, undefined, this.#host).catch(() => undefined);
      if (wire === undefined) {
        this.refused++;
        continue;
      }
      this.opened++;
      this.#wires.add(wire);
      wire.socket.write('POST /send/a HTTP/1.1\r\nHost: x\r\nX-Slow: ');
      await new Promise((resolve) => wire.socket.once('close', resolve));
      this.#wires.delete(wire);
    }
  }
}

for (const [heads, flags] of [
  [300, ['--api-sockets-max', '256']],
  [1200, []],
] as const) {
  t.test(`${heads} slow heads lock nobody out of the API`, async (t) => {
    const gateway = await startGateway({ flags: [...flags] });
    t.teardown(() => gateway.kill());
    const { apiPort } = gateway;
    const kept = await Wire.open(apiPort);
    kept.ask('/health');
    await kept.untilComplete();
    const slow = new SlowHeads(apiPort, heads);
    t.teardown(() => slow.stop());
    await until('all have come', () => slow.opened >= heads);
    const closedIdle = async () => JSON.parse((await ask(apiPort, '/stats')).text).sockets.apiClosedIdle;
    let slowestMs = 0;
    const probe = async (path: string, options = {}) => {
      const startedMs = performance.now();
      const { status } = await ask(apiPort, path, options);
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      return status;
    };
    for (let n = 0; n < 30; n++) {
      const statuses = [
        await probe('/health'),
        await probe('/ready'),
        await probe('/send/a', { method: 'POST', body: 'x' }),
      ];
      t.same(statuses, [200, 200, 200]);
      await new Promise((resolve) => setTimeout(resolve, 100)); // what a monitor does
      kept.ask('/health');
      await kept.untilComplete();
    }
    t.ok(slowestMs < 5_000, `the slowest answer came after ${Math.round(slowestMs)} ms`);
    t.notOk(kept.closed, 'a connection that has had answers is kept');
    t.ok((await closedIdle()) > 0, 'slow heads were closed');
    t.match(await gateway.stats(), { sockets: { apiPauses: 0 } });
    t.match(gateway.log, /--api-sockets-max/);
    await slow.stop();
    t.equal(slow.refused, 0);
  });
}

t.test("streams on the same port of another address are none of the API's sockets", async (t) => {
  const port = String(await freePort());
  const gateway = await startGateway({
    flags: ['--port', port, '--api-host', '127.0.0.2', '--api-port', port, '--api-sockets-max', '64'],
  });
  t.teardown(() => gateway.kill());
  const streams = await Promise.all(
    Array.from({ length: 20 }, (_, n) => openStream(gateway.port, `/stream/${n}`)),
  );
  const slow = new SlowHeads(gateway.apiPort, 200, '127.0.0.2');
  t.teardown(() => slow.stop());
  // A request may meet the close, because fetch keeps its connection.
  const closedIdle = () =>
    gateway.stats().then(
      ({ sockets }) => sockets.apiClosedIdle,
      () => 0,
    );
  await until('many slow heads were closed', async () => (await closedIdle()) > 400, 30_000);
  await slow.stop();
  t.equal(streams.filter(({ closed }) => closed).length, 0);
  const { connections } = JSON.parse((await ask(gateway.port, '/numbers')).text);
  t.equal(connections, 20);
});
