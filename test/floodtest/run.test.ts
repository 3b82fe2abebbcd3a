/** floodtest as a process against a gateway that loses, doubles and reorders on purpose: every count must be exact. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CSV_HEADER } from '../../floodtest/recording.js';
import { newPublisher, nowUs } from '../../msggen/stamp.js';
import { runTool, ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';
import { FaultyGateway } from './faulty-gateway.js';

async function faultyGateway(t: Pick<Test, 'teardown'>, address?: string): Promise<FaultyGateway> {
  const gateway = await new FaultyGateway().listen(address);
  t.teardown(() => gateway.close());
  return gateway;
}

/** Starts a flood, and waits until the gateway has all of its connections. */
async function flood(gateway: FaultyGateway, connections: number, ...flags: string[]): Promise<ToolProcess> {
  const args = ['--connections', String(connections), '--url', gateway.url, '--json', ...flags];
  const tool = new ToolProcess(['floodtest', ...args]);
  await until('all are connected', () => gateway.streams.length === connections);
  return tool;
}

/** Waits for a line that says so many chunks were received, interrupts, and gives back the summary. */
async function summaryAfter(tool: ToolProcess, chunks: number) {
  await until(
    `${chunks} chunks are received`,
    () => tool.stderr.includes(`chunks ${chunks}\n`) || tool.stderr.includes(`chunks ${chunks} `),
  );
  tool.child.kill('SIGINT');
  return tool.summary();
}

/** A publisher that was there before: floodtest cannot know where its numbers stand. */
function oldPublisher(): string {
  return newPublisher(nowUs() - 60e6);
}

for (const transport of ['http-chunked', 'ndjson']) {
  const greetings = transport === 'http-chunked' ? 1 : 0;

  t.test(`${transport}: everything that is sent is received, and nothing is lost`, async (t) => {
    const gateway = await faultyGateway(t);
    const tool = await flood(gateway, 40, '--transport', transport);
    const publisher = oldPublisher();
    for (let seq = 1; seq <= 5; seq++) {
      for (let id = 1; id <= 40; id++) gateway.sendStamped(String(id), publisher, seq);
      gateway.heartbeat();
    }
    const summary = await summaryAfter(tool, 40 * (5 + greetings));
    t.match(summary, { connected: 40, connectedAtMost: 40, closed: 0, refused: 0, failed: 0, tried: 40 });
    t.match(summary, { messages: 200, stamped: 200, reached: 40, publishers: 1 });
    t.match(summary, { lost: 0, duplicated: 0, outOfOrder: 0, unaccounted: 0 });
    t.equal(summary.chunks, 40 * (5 + greetings), 'heartbeats are not counted');
    t.ok(summary.latencyMs.p50 > 0 && summary.latencyMs.max < 60_000, JSON.stringify(summary.latencyMs));
  });

  t.test(`${transport}: what is lost, doubled and reordered is counted exactly`, async (t) => {
    const gateway = await faultyGateway(t);
    const tool = await flood(gateway, 4, '--transport', transport);
    const publisher = oldPublisher();
    gateway.sendStamped('1', publisher, 1, 2, 5, 6, 10); // 3, 4, 7, 8, 9 are lost
    gateway.sendStamped('2', publisher, 1, 2, 2, 3, 3, 3); // three doubles
    gateway.sendStamped('3', publisher, 1, 3, 2, 6, 4, 5, 7); // 2, 4, 5 come late, nothing is lost
    gateway.sendStamped('4', publisher, 1, 4, 3, 3, 5); // 2 is lost, 3 is late and doubled
    gateway.sendStamped('1', oldPublisher(), 50, 51); // another publisher counts for itself
    const summary = await summaryAfter(tool, 25 + 4 * greetings);
    t.match(summary, { messages: 25, stamped: 25, publishers: 2, lost: 6, duplicated: 4, outOfOrder: 4 });
  });
}

t.test('the first messages of a publisher that began after the login are missed too', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 3);
  await until('it says so itself', () => tool.stderr.includes('connected 3 '));
  const loggedInSec = Math.floor(Date.now() / 1000);
  await until('the next second has begun', () => Math.floor(Date.now() / 1000) > loggedInSec);
  const publisher = newPublisher(nowUs());
  await until('its second has passed', () => Math.floor(Date.now() / 1000) > loggedInSec + 1);
  gateway.sendStamped('1', publisher, 1, 2);
  gateway.sendStamped('2', publisher, 4); // 1, 2, 3 are lost
  gateway.sendStamped('3', oldPublisher(), 4); // unknown what came before
  t.match(await summaryAfter(tool, 3 + 4), { messages: 4, lost: 3 });
});

t.test('several messages in one chunk are one chunk and several messages', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 2);
  gateway.sendTogether('1', ['&lt;b&gt;one', 'it&#39;s two', 'three']);
  gateway.sendTogether('2', ['x'.repeat(100_000), 'y'.repeat(100_000)]);
  t.match(await summaryAfter(tool, 2 + 2), { chunks: 4, messages: 5, stamped: 0, latencyMs: null });
});

t.test('messages without a stamp are counted, and the summary says what that leaves unknown', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = new ToolProcess(['floodtest', '--connections', '3', '--url', gateway.url]);
  await until('all are connected', () => tool.stdout.includes('connected 3 '));
  gateway.send('2', 'Hello World');
  await until('it is received', () => tool.stdout.includes('chunks 4'));
  tool.child.kill('SIGINT');
  t.equal(await tool.ended(), 0);
  t.match(tool.stdout, /^ +0 s {2}connected 0 {2}closed 0 {2}chunks 0\n/);
  t.match(
    tool.stdout,
    /\n +\d+ s {2}connected 3 {2}closed 0 {2}chunks 4 {2}in \d+\.\d KB\/s {2}out \d+\.\d KB\/s\n/,
  );
  t.match(tool.stdout, /\nreceived +1 messages on 1 connections, 0 of them stamped, from 0 publishers\n/);
  t.match(tool.stdout, /\nlost +unknown: the messages carry no stamp \(msggen --stamp\)\n/);
});

t.test('refusals are counted by status', async (t) => {
  const gateway = await faultyGateway(t);
  gateway.refuseNext = 4;
  const summary = await new ToolProcess([
    'floodtest',
    '--connections',
    '10',
    '--hold',
    '1ms',
    '--url',
    gateway.url,
    '--json',
  ]).summary();
  t.match(summary, { connected: 6, closed: 0, refused: 4, refusals: { 'HTTP 503': 4 }, tried: 10 });
});

t.test('when all are refused, the exit code says so', async (t) => {
  const gateway = await faultyGateway(t);
  gateway.refuseNext = 3;
  const run = await runTool(['floodtest', '--connections', '3', '--hold', '1ms', '--url', gateway.url]);
  t.match(run, {
    exitCode: 1,
    stdout: /refused +3 \(HTTP 503: 3\)/,
    stderr: /^No connection to http.* was accepted/,
  });
});

t.test('closed connections are counted with their reason, the end of the flood is not', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 9);
  await until('it says so itself', () => tool.stderr.includes('connected 9 '));
  gateway.end('3');
  gateway.end('4');
  gateway.reset('5');
  gateway.cutShort('6');
  await until('it has noticed', () => tool.stderr.includes('connected 5  closed 4'));
  tool.child.kill('SIGINT');
  t.match(await tool.summary(), {
    connected: 5,
    closed: 4,
    closures: {
      'ended by the server': 2,
      ECONNRESET: 1,
      'closed in the middle of a response, before its last chunk or byte': 1,
    },
    connectedAtMost: 9,
  });
  await until('the server has seen all of them go', () => gateway.gone === 9);
});

t.test('connections are spread over processes, each with its own id', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 10, '--processes', '3', '--id-prefix', 'user/a b/');
  const ids = gateway.streams.map(({ id }) => id).sort();
  t.same(ids, Array.from({ length: 10 }, (_, k) => `user/a b/${k + 1}`).sort());
  const publisher = oldPublisher();
  for (const id of ids) gateway.sendStamped(id, publisher, 1, 3);
  const summary = await summaryAfter(tool, 10 + 20);
  t.match(summary, { messages: 20, lost: 10, reached: 10, publishers: 1, asked: { processes: 3 } });
  t.ok(summary.latencyMs.max >= summary.latencyMs.p50);
});

t.test('with --ids connections share them', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 7, '--ids', '3');
  t.same(gateway.streams.map(({ id }) => id).sort(), ['1', '1', '1', '2', '2', '3', '3']);
  gateway.sendStamped('1', oldPublisher(), 8, 9);
  t.match(await summaryAfter(tool, 7 + 6), { messages: 6, lost: 0, duplicated: 0, reached: 3 });
});

t.test('source addresses are used in turn', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 9, '--source-addresses', '3', '--processes', '2');
  const addresses = new Map<string, number>();
  for (const { remoteAddress } of gateway.streams) {
    addresses.set(remoteAddress, (addresses.get(remoteAddress) ?? 0) + 1);
  }
  t.same(Object.fromEntries(addresses), { '127.0.0.2': 3, '127.0.0.3': 3, '127.0.0.4': 3 });
  t.match(await summaryAfter(tool, 9), { connected: 9 });
});

const hasIpv6 = (networkInterfaces().lo ?? []).some(({ address }) => address === '::1');

t.test('but only towards 127.0.0.0/8', { skip: hasIpv6 ? false : 'this machine has no IPv6' }, async (t) => {
  const gateway = await faultyGateway(t, '::1');
  const args = ['floodtest', '--connections', '2', '--url', gateway.url];
  const run = await runTool([...args, '--source-addresses', '2']);
  t.match(run, { exitCode: 2, stderr: /--source-addresses works for a server on 127\.0\.0\.0\/8 only/ });
  t.match(await runTool([...args, '--hold', '1ms']), { exitCode: 0 });
});

t.test('a second is a row of the record, and what was run stands beside it', async (t) => {
  const gateway = await faultyGateway(t);
  const csv = join(mkdtempSync(join(tmpdir(), 'encke-floodtest-')), 'run.csv');
  const tool = await flood(gateway, 5, '--csv', csv, '--title', 'Five', '--pid', String(process.pid));
  gateway.sendStamped('1', oldPublisher(), 1, 3, 2, 2, 7);
  const summary = await summaryAfter(tool, 5 + 5);
  const [header, ...rows] = readFileSync(csv, 'utf8').trimEnd().split('\n');
  t.equal(header, CSV_HEADER);
  const columns = CSV_HEADER.split(',');
  const records = rows.map((row) =>
    Object.fromEntries(row.split(',').map((field, i) => [columns[i]!, field])),
  );
  t.match(records[0], { elapsedSec: '0', connected: '0', chunks: '0', latencyP50Ms: '', latencyMaxMs: '' });
  t.match(records.at(-1), {
    connected: '5',
    closed: '0',
    chunks: '10',
    bytesReceived: /^[1-9]\d+$/,
    bytesSent: /^[1-9]\d+$/,
    messages: '5',
    lost: String(summary.lost),
    duplicated: '1',
    outOfOrder: '1',
  });
  t.equal(summary.lost, 3);
  const elapsed = records.map(({ elapsedSec }) => Number(elapsedSec));
  t.ok(
    elapsed.every((sec, i) => i === 0 || sec > elapsed[i - 1]!),
    elapsed.join(' '),
  );
  const withLatency = records.filter(({ latencyP50Ms }) => latencyP50Ms !== '');
  t.ok(withLatency.length === 1 || withLatency.length === 2, 'latency is that of the second');
  t.ok(records.every(({ serverRssBytes }) => Number(serverRssBytes) > 10e6 && Number(serverRssBytes) < 2e9));
  t.ok(Number(records.at(-1)!.serverCpuSec) >= Number(records[0]!.serverCpuSec));
  const context = JSON.parse(readFileSync(csv.replace('.csv', '.json'), 'utf8'));
  t.match(context, {
    title: 'Five',
    machine: { node: process.version, cores: Number, cpu: String, os: /Linux/ },
  });
  t.same(context.command.slice(0, 4), ['encke', 'floodtest', '--connections', '5']);
  t.ok(Date.now() - Date.parse(context.startedAt) < 60_000);
});

t.test('--hold ends it by itself, so long after all are open', async (t) => {
  const gateway = await faultyGateway(t);
  const args = ['--connections', '3', '--hold', '1500ms', '--url', gateway.url, '--json'];
  const summary = await new ToolProcess(['floodtest', ...args]).summary();
  t.ok(summary.elapsedSec > 1.5 && summary.elapsedSec < 60, `${summary.elapsedSec} s`);
  t.match(summary, { connected: 3, closed: 0 });
});

t.test('they are opened at their rate', async (t) => {
  const gateway = await faultyGateway(t);
  const args = ['--connections', '100', '--rate', '50', '--hold', '1ms', '--url', gateway.url, '--json'];
  const summary = await new ToolProcess(['floodtest', ...args]).summary();
  t.ok(summary.elapsedSec > 1.95, `${summary.elapsedSec} s for 100 connections at 50/s`);
  t.match(summary, { connectedAtMost: 100 });
});

// Of many, as a process on Node 24 takes 13 MB for itself at first, and on Node 20 5 MB.
t.test('a connection costs floodtest less than 6 KB', async (t) => {
  const gateway = await faultyGateway(t);
  const args = ['--connections', '6000', '--rate', '6000', '--hold', '1s', '--url', gateway.url, '--json'];
  const summary = await new ToolProcess(['floodtest', ...args]).summary();
  t.match(summary, { connected: 6000, closed: 0, failed: 0 });
  t.ok(summary.own.bytesPerConnection < 6000, `${summary.own.bytesPerConnection} B`);
});

t.test('when it is killed, its processes and connections go with it', async (t) => {
  const gateway = await faultyGateway(t);
  const tool = await flood(gateway, 6, '--processes', '2');
  tool.child.kill('SIGKILL');
  await until('the server has seen all of them go', () => gateway.gone === 6);
  t.equal(gateway.streams.length, 6);
});

t.test('a server that is not there is one sentence and exit code 1', async (t) => {
  const run = await runTool(['floodtest', '--connections', '5', '--url', 'http://127.0.0.1:9']);
  t.match(run, { exitCode: 1, stdout: '' });
  t.equal(
    run.stderr,
    'No server answers at http://127.0.0.1:9 (ECONNREFUSED). Start it with "npm start", or name another with --url.\n',
  );
});

t.test('a record that cannot be written is a sentence and exit code 2', async (t) => {
  const gateway = await faultyGateway(t);
  const args = ['--connections', '1', '--url', gateway.url, '--csv', '/nowhere/run.csv'];
  const run = await runTool(['floodtest', ...args]);
  t.match(run, { exitCode: 2, stderr: /\/nowhere\/run\.csv cannot be written \(ENOENT\)/ });
});
