/** floodtest and msggen as processes against the real gateway: polls, streams and resumes lose and double nothing. */
import t, { type Test } from 'tap';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';

t.jobs = 3;

const CONNECTIONS = 40;
const TRANSPORTS = ['ndjson', 'sse', 'long-poll'];

async function gatewayFor(t: Pick<Test, 'teardown'>, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

async function flood(gateway: GatewayProcess, ...flags: string[]): Promise<ToolProcess> {
  const args = ['-c', String(CONNECTIONS), '--url', gateway.url, '--json', ...flags];
  const tool = new ToolProcess(['floodtest', ...args]);
  await until('all are connected', () => tool.stderr.includes(`connected ${CONNECTIONS} `));
  return tool;
}

/** Random messages for all of them. */
function msggen(gateway: GatewayProcess, ...flags: string[]): ToolProcess {
  const args = ['--url', gateway.apiUrl, '--max-id', String(CONNECTIONS), '--stamp', '--json'];
  return new ToolProcess(['msggen', ...args, ...flags]);
}

/** Interrupts once all that was sent is received, or nothing comes any more. */
async function summaryAfter(tool: ToolProcess) {
  const rows = () => tool.stderr.split('\n').length;
  const before = rows();
  await until('two more rows are printed', () => rows() >= before + 2);
  tool.child.kill('SIGINT');
  return tool.summary();
}

for (const transport of TRANSPORTS) {
  t.test(`${transport}: bursts and a steady rate arrive once and in order`, async (t) => {
    const gateway = await gatewayFor(t);
    const tool = await flood(gateway, '-t', transport, '--processes', '2');
    const burst = await msggen(gateway, '--messages', '2000', '--rate', 'max').summary();
    const steady = await msggen(gateway, '--messages', '500', '--rate', '1000').summary();
    t.match([burst, steady], [{ errorsTotal: 0 }, { errorsTotal: 0 }]);
    const summary = await summaryAfter(tool);
    t.match(summary, { connected: CONNECTIONS, closed: 0, refused: 0, failed: 0, reached: CONNECTIONS });
    t.match(summary, { messages: 2500, stamped: 2500, publishers: 2, unrecovered: 0 });
    t.match(summary, { lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  t.test(`${transport}: all are cut under load and come back, and nothing is lost or doubled`, async (t) => {
    const gateway = await gatewayFor(t);
    const tool = await flood(gateway, '-t', transport, '--cut', '1s:1500ms', '--processes', '2');
    const load = await msggen(gateway, '--messages', '1200', '--rate', '300').summary();
    await until('all are back', () => tool.stderr.includes(`resumed ${CONNECTIONS} `));
    const summary = await summaryAfter(tool);
    t.match(summary, { cut: CONNECTIONS, resumed: CONNECTIONS, recovered: CONNECTIONS, unrecovered: 0 });
    t.match(summary, { connected: CONNECTIONS, closed: 0, refused: 0, failed: 0 });
    t.equal(load.sent, 1200);
    t.match(summary, { messages: 1200, stamped: 1200, lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  t.test(`${transport}: a history that is too short is told, and what it has lost is counted`, async (t) => {
    const gateway = await gatewayFor(t, '--history-rules', '# 3 60');
    const tool = await flood(gateway, '-t', transport, '--cut', '2500ms:3s');
    // They are cut after each has had a message of the load: what a first message comes after is nobody's loss.
    const load = await msggen(gateway, '--messages', '6000', '--rate', '1000').summary();
    await until('all are back', () => tool.stderr.includes(`resumed ${CONNECTIONS} `));
    const summary = await summaryAfter(tool);
    t.match(summary, { cut: CONNECTIONS, resumed: CONNECTIONS, duplicated: 0, outOfOrder: 0 });
    t.ok(summary.unrecovered > 0, `${summary.unrecovered} were not recovered`);
    t.ok(summary.lost > 0);
    t.equal(summary.messages + summary.lost, load.sent);
  });
}

t.test('the end says how many resumed', async (t) => {
  const gateway = await gatewayFor(t);
  const args = ['-c', '5', '--url', gateway.url, '-t', 'sse', '--cut', '100ms:200ms', '--hold', '1500ms'];
  const tool = new ToolProcess(['floodtest', ...args]);
  t.equal(await tool.ended(), 0);
  t.match(tool.stdout, /\nresumed +5 of 5 that were cut; 5 recovered all, 0 were not recovered\n/);
});

// Of many, as a process on Node 24 takes 13 MB for itself at first, and on Node 20 5 MB.
t.test('a poller costs floodtest less than 6 KB', async (t) => {
  const gateway = await gatewayFor(t);
  const args = ['-c', '6000', '--rate', '6000', '--hold', '1s', '-t', 'long-poll'];
  const summary = await new ToolProcess(['floodtest', ...args, '--url', gateway.url, '--json']).summary();
  t.match(summary, { connected: 6000, closed: 0, failed: 0 });
  t.ok(summary.own.bytesPerConnection < 6000, `${summary.own.bytesPerConnection} B`);
});
