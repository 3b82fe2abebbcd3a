import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { killAtExit } from '../../child-processes.js';
import { cleanEnvironment, command } from '../../cli/encke.js';
import { freePort } from '../../free-port.js';
import { type GatewayProcess, startProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { openRaw } from '../mqtt/raw-client.js';
import { ask } from '../raw-wire.js';
import { NamedPipe } from './named-pipe.js';
import { SmallDisk } from './small-disk.js';

/** A server whose log cannot be written goes on, and stops when it is asked to. */

t.jobs = 2;

/** A line of the log for each. */
async function sendBadPackets(t: Test, gateway: GatewayProcess): Promise<void> {
  for (let count = 0; count < 3; count++) {
    const client = await openRaw(t, gateway);
    client.send(Buffer.from([0xf0, 0x00]));
    await client.untilClosed();
  }
}

async function start(t: Test, stderr: number | Socket, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startProcess({ stderr, flags: ['--drain-sec', '0', ...flags] });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** It must not wait for its log. */
async function assertAnswers(t: Test, gateway: GatewayProcess): Promise<void> {
  const askedMs = performance.now();
  t.match(await ask(gateway.apiPort, '/health'), { status: 200 });
  t.ok(performance.now() - askedMs < 30_000, 'at once');
}

async function assertStops(t: Test, gateway: GatewayProcess): Promise<void> {
  const askedMs = performance.now();
  t.equal(await gateway.kill('SIGTERM'), 0);
  t.ok(performance.now() - askedMs < 30_000, 'it does not wait for its log to be read');
}

t.test('a full disk under standard error', { buffered: true }, async (t) => {
  const full = openSync('/dev/full', 'w');
  t.teardown(() => closeSync(full));
  const gateway = await start(t, full);
  await sendBadPackets(t, gateway);
  await assertAnswers(t, gateway);
  const { log } = (await ask(gateway.apiPort, '/stats')).json;
  t.ok(log.pendingBytes > 0, 'the lines wait');
  t.equal(log.droppedLines, 0);
  await assertStops(t, gateway);
});

t.test('a pipe that nobody reads', { buffered: true }, async (t) => {
  const pipe = new NamedPipe();
  t.teardown(() => pipe.close());
  const gateway = await start(t, pipe.writeEnd);
  pipe.read();
  pipe.fill();
  await sendBadPackets(t, gateway);
  await assertAnswers(t, gateway);
  const waiting = (await ask(gateway.apiPort, '/stats')).json.log.pendingBytes;
  t.ok(waiting > 0);
  pipe.read();
  await until('what waited is written', async () => {
    return (await ask(gateway.apiPort, '/stats')).json.log.pendingBytes === 0;
  });
  t.equal(pipe.read().length, waiting);
  pipe.fill();
  await assertStops(t, gateway);
});

t.test('a pipe that nobody reads at the start', { buffered: true }, async (t) => {
  const pipe = new NamedPipe();
  t.teardown(() => pipe.close());
  pipe.fill();
  const gateway = await start(t, pipe.writeEnd);
  await assertAnswers(t, gateway);
  await assertStops(t, gateway);
});

t.test('a pipe whose reader has gone', { buffered: true }, async (t) => {
  const pipe = new NamedPipe();
  t.teardown(() => pipe.close());
  const gateway = await start(t, pipe.writeEnd);
  pipe.closeReader();
  await sendBadPackets(t, gateway);
  await assertAnswers(t, gateway);
  await assertStops(t, gateway);
});

/** Full, and nobody reads it. */
async function fullSocket(t: Test): Promise<Socket> {
  const directory = mkdtempSync(join(tmpdir(), 'encke-journal-')); // a path of a socket has 107 bytes at most
  const path = join(directory, 'socket');
  const journal = createServer({ pauseOnConnect: true }).listen(path);
  const accepted = once(journal, 'connection');
  const socket = connect(path);
  const [reader] = (await accepted) as [Socket];
  t.teardown(() => {
    for (const end of [socket, reader]) end.destroy();
    journal.close();
    rmSync(directory, { recursive: true });
  });
  // By a process of its own: libuv makes what a child gets as its standard error a descriptor whose writes wait.
  const fill = ['if=/dev/zero', 'bs=4096', 'oflag=nonblock'];
  await once(spawn('dd', fill, { stdio: ['ignore', socket, 'ignore'] }), 'exit');
  return socket;
}

t.test('a socket that nobody reads, as of a service manager', { buffered: true }, async (t) => {
  const gateway = await start(t, await fullSocket(t));
  await sendBadPackets(t, gateway);
  await assertAnswers(t, gateway);
  t.ok((await ask(gateway.apiPort, '/stats')).json.log.pendingBytes > 0);
  await assertStops(t, gateway);
});

t.test(
  'a socket that nobody reads, and another process has made writes to it wait',
  { buffered: true },
  async (t) => {
    const socket = await fullSocket(t);
    const gateway = await start(t, socket);
    await once(spawn('true', { stdio: ['ignore', 'ignore', socket] }), 'exit');
    await sendBadPackets(t, gateway);
    await assertAnswers(t, gateway);
    t.ok((await ask(gateway.apiPort, '/stats')).json.log.pendingBytes > 0);
    await assertStops(t, gateway);
  },
);

t.test('a pipe that is slow at the exit gets the last line', { buffered: true }, async (t) => {
  const pipe = new NamedPipe();
  t.teardown(() => pipe.close());
  const gateway = await start(t, pipe.writeEnd);
  pipe.read();
  pipe.fill();
  const ended = gateway.kill('SIGTERM');
  await until('it has stopped listening', async () =>
    ask(gateway.apiPort, '/health').then(
      () => false,
      () => true,
    ),
  );
  const before = pipe.read();
  t.match(before, /^\.+$/);
  t.equal(await ended, 0);
  t.match(pipe.read(), '"msg":"stopped"');
});

const whyNoDisk =
  process.getuid?.() === 0 ? undefined : 'Only root may mount a small disk: run this as root.';
if (whyNoDisk !== undefined)
  process.stderr.write(`\nSKIPPED: no log on a full disk was tried. ${whyNoDisk}\n\n`);

t.test('a log file on a full disk', { buffered: true, ...(whyNoDisk && { skip: whyNoDisk }) }, async (t) => {
  const disk = new SmallDisk();
  t.teardown(() => disk.unmount());
  const path = join(disk.directory, 'encke.log');
  const file = openSync(path, 'a');
  const gateway = await start(t, file);
  closeSync(file);
  const pending = async () => (await ask(gateway.apiPort, '/stats')).json.log.pendingBytes;
  await until('the first lines are there', () => readFileSync(path, 'utf8').includes('listening'));
  const rest = 4096 - (readFileSync(path).length % 4096); // of its page, which it has already
  appendFileSync(path, `"${'.'.repeat(rest - 3)}"\n`);
  disk.fill();
  await sendBadPackets(t, gateway);
  await assertAnswers(t, gateway);
  t.ok((await pending()) > 0);
  disk.makeRoom();
  await until('its lines are there', async () => (await pending()) === 0);
  t.match(readFileSync(path, 'utf8'), '"msg":"connection closed"');
  await assertStops(t, gateway);
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  t.equal(JSON.parse(lines.at(-1)!).msg, 'stopped');
  t.doesNotThrow(() => lines.map((line) => JSON.parse(line)), 'none is torn');
});

/** The welcome is lost, and nothing else. */
for (const what of ['a full disk', 'a pipe that nobody reads', 'a pipe whose reader has gone']) {
  t.test(`${what} under standard output`, { buffered: true }, async (t) => {
    const full = openSync('/dev/full', 'w');
    const pipe = new NamedPipe();
    t.teardown(() => {
      closeSync(full);
      pipe.close();
    });
    pipe.fill();
    if (what.endsWith('gone')) pipe.closeReader();
    const apiPort = await freePort();
    const flags = ['--port', '0', '--api-port', `${apiPort}`, '--drain-sec', '0'];
    const child = spawn(command[0], [...command.slice(1), 'start', ...flags], {
      env: cleanEnvironment(),
      stdio: ['ignore', what.endsWith('disk') ? full : pipe.writeEnd, 'pipe'],
    });
    killAtExit(child);
    let log = '';
    child.stderr!.on('data', (text) => {
      log += text;
    });
    await until('it listens', () => log.includes('"msg":"listening"'));
    t.match(await ask(apiPort, '/health'), { status: 200 });
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    t.equal(code, 0);
    t.notMatch(log, /EPIPE|ENOSPC/);
  });
}
