/** floodtest behind nginx, which cuts the chunks of a response anew where several come in one read. */
import t, { type Test } from 'tap';
import { findNginx, Nginx } from '../client/nginx.js';
import { startGateway } from '../gateway-process.js';
import { runTool, ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';

t.setTimeout(300_000); // nginx may have to be installed first

/** As docs/operations.md has them. */
const PROXY_LINES = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;';
const MESSAGES = 1000;

const found = await findNginx();
if ('missing' in found) {
  process.stderr.write(`\nSKIPPED: floodtest was not tried through nginx. ${found.missing}\n\n`);
  t.test('floodtest through nginx', { skip: found.missing }, async () => {});
} else {
  for (const transport of ['http-chunked', 'ndjson', 'sse', 'long-poll']) {
    t.test(`${transport}: nothing is lost that was not lost`, (t) => throughNginx(t, found.path, transport));
  }
  t.test('long-poll: neither where nginx makes chunks of what has a Content-Length', (t) =>
    throughNginx(t, found.path, 'long-poll', 'ssi on; ssi_types *;'),
  );
}

async function throughNginx(t: Test, path: string, transport: string, further = ''): Promise<void> {
  const gateway = await startGateway({ flags: ['--history-rules', `# ${MESSAGES} 60`] });
  t.teardown(() => gateway.kill());
  const nginx = await Nginx.start(path, gateway.url, PROXY_LINES + further, '/');
  t.teardown(() => nginx.stop());
  const args = ['--connections', '2', '--ids', '1', '--transport', transport, '--url', nginx.url, '--json'];
  const flood = new ToolProcess(['floodtest', ...args]);
  await until('both are connected', () => flood.stderr.includes('connected 2 '));
  const load = [
    '--messages',
    String(MESSAGES),
    '--max-id',
    '1',
    '--rate',
    'max',
    '--batch',
    '100',
    '--stamp',
  ];
  t.match(await runTool(['msggen', ...load, '--url', gateway.apiUrl]), { exitCode: 0 });
  const lines = flood.stderr.length;
  await until('two more seconds are told', () => flood.stderr.slice(lines).split('\n').length > 2);
  flood.child.kill('SIGINT');
  t.match(await flood.summary(), {
    messages: 2 * MESSAGES,
    stamped: 2 * MESSAGES,
    lost: 0,
    duplicated: 0,
    outOfOrder: 0,
  });
}
