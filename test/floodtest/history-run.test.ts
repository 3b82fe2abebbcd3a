/** floodtest as a process against a gateway that resumes, well or badly: what is missed, lost and doubled is exact. */
import t, { type Test } from 'tap';
import { newPublisher, nowUs } from '../../msggen/stamp.js';
import { ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';
import { type Fault, FaultyHistoryGateway } from './faulty-history-gateway.js';

t.jobs = 6;

const IDS = ['1', '2', '3', '4'];

async function faultyGateway(t: Pick<Test, 'teardown'>): Promise<FaultyHistoryGateway> {
  const gateway = await new FaultyHistoryGateway().listen();
  t.teardown(() => gateway.close());
  return gateway;
}

async function flood(gateway: FaultyHistoryGateway, ...flags: string[]): Promise<ToolProcess> {
  const tool = new ToolProcess(['floodtest', '-c', '4', '--url', gateway.url, '--json', ...flags]);
  await until('all listen', () => gateway.listeners.size === 4);
  return tool;
}

/** Waits for a row that was asked for after everything was sent, interrupts, and gives back the summary. */
async function summaryAfter(tool: ToolProcess) {
  const rows = () => tool.stderr.split('\n').length;
  const before = rows();
  await until('two more rows are printed', () => rows() >= before + 2);
  tool.child.kill('SIGINT');
  return tool.summary();
}

/** A publisher that was there before: floodtest cannot know where its numbers stand. */
function oldPublisher(): string {
  return newPublisher(nowUs() - 60e6);
}

/** Three messages to each before the cut, three while nobody is there, and one when all are back. */
async function cutRun(t: Pick<Test, 'teardown'>, transport: string, fault?: Fault) {
  const gateway = await faultyGateway(t);
  gateway.fault = fault;
  const tool = await flood(gateway, '-t', transport, '--cut', '500ms:800ms');
  const publisher = oldPublisher();
  // 4 hears nothing before the cut: it comes back with the cursor that it was greeted with.
  for (const id of IDS.slice(0, 3)) gateway.sendStamped(id, publisher, 1, 2, 3);
  await until('all are cut', () => gateway.gone >= 4 + 1 && gateway.listeners.size === 0);
  for (const id of IDS) gateway.sendStamped(id, publisher, 4, 5, 6);
  await until('all are back', () => tool.stderr.includes('resumed 4') && gateway.listeners.size === 4);
  for (const id of IDS) gateway.sendStamped(id, publisher, 7);
  return { tool, requests: gateway.requests };
}

for (const transport of ['ndjson', 'sse', 'long-poll']) {
  t.test(`${transport}: everything that is sent is received, and nothing is lost`, async (t) => {
    const gateway = await faultyGateway(t);
    const tool = await flood(gateway, '-t', transport);
    const publisher = oldPublisher();
    for (const id of IDS) gateway.sendStamped(id, publisher, 1, 2);
    if (transport !== 'long-poll') gateway.heartbeat();
    await until('all listen', () => gateway.listeners.size === 4);
    for (const id of IDS) gateway.sendStamped(id, publisher, 3);
    const summary = await summaryAfter(tool);
    t.match(summary, { connected: 4, connectedAtMost: 4, closed: 0, refused: 0, failed: 0, tried: 4 });
    t.match(summary, { messages: 12, stamped: 12, reached: 4, publishers: 1, cut: 0, resumed: 0 });
    t.match(summary, { lost: 0, duplicated: 0, outOfOrder: 0, unrecovered: 0 });
  });

  t.test(`${transport}: who is cut comes back behind its cursor, and misses nothing`, async (t) => {
    const { tool, requests } = await cutRun(t, transport);
    const summary = await summaryAfter(tool);
    t.match(summary, {
      cut: 4,
      resumed: 4,
      recovered: 4,
      unrecovered: 0,
      connected: 4,
      closed: 0,
      failed: 0,
    });
    t.match(summary, { messages: 9 + 12 + 4, lost: 0, duplicated: 0, outOfOrder: 0 });
    t.ok(
      requests.some((request) => /e(:|%3A)0/.test(request) && request.includes('/4')),
      'the greeting is a cursor',
    );
  });

  for (const [fault, counts] of [
    ['drops', { messages: 21, lost: 3, duplicated: 0, recovered: 4, unrecovered: 0 }],
    ['doubles', { messages: 37, lost: 0, duplicated: 12, recovered: 4, unrecovered: 0 }],
    ['reverses', { messages: 25, lost: 0, duplicated: 0, outOfOrder: 8 }],
    ['says it is gone', { messages: 25, lost: 0, duplicated: 0, recovered: 0, unrecovered: 4 }],
  ] as [Fault, object][]) {
    t.test(`${transport}: a resume that ${fault} is counted`, async (t) => {
      const { tool } = await cutRun(t, transport, fault);
      t.match(await summaryAfter(tool), { cut: 4, resumed: 4, ...counts });
    });
  }
}
