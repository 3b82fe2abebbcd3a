/** Limits of the machine: room for the record, and descriptors. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { plainNode } from '../child-processes.js';
import { runTool, ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';
import { FaultyGateway } from './faulty-gateway.js';

const DOOR = fileURLToPath(new URL('../../cli/encke.js', import.meta.url));

t.test('a record that breaks off in mid-run is told, and the run goes on to its summary', async (t) => {
  const gateway = await new FaultyGateway().listen();
  t.teardown(() => gateway.close());
  const fifo = join(mkdtempSync(join(tmpdir(), 'encke-record-')), 'run.csv');
  execFileSync('mkfifo', [fifo]);
  const reader = spawn('head', ['-n', '2', fifo]); // the names and the first row, then it is gone
  const args = ['--connections', '3', '--url', gateway.url, '--csv', fifo, '--json'];
  const tool = new ToolProcess(['floodtest', ...args]);
  await once(reader, 'close');
  await until('it is told', () => tool.stderr.includes(`${fifo} cannot be written any more (EPIPE)`));
  gateway.send('1', 'still heard');
  await until('the run goes on', () => tool.stderr.includes(' chunks 4 '));
  tool.child.kill('SIGINT');
  t.match(await tool.summary(), { connected: 3, messages: 1 });
  t.equal(tool.child.exitCode, 1);
  t.equal(tool.stderr.split('cannot be written').length, 2, 'told once');
  t.match(tool.stderr, /The record \S+run\.csv is not complete/);
});

t.test('a file that has reached its limit keeps whole rows', async (t) => {
  const csv = join(mkdtempSync(join(tmpdir(), 'encke-record-')), 'run.csv');
  const gateway = await new FaultyGateway().listen();
  t.teardown(() => gateway.close());
  // 512 or 1,024 bytes: the names and a few rows.
  const args = ['--connections', '1', '--url', gateway.url, '--csv', csv];
  const run = spawn('sh', ['-c', 'ulimit -f 1; exec "$@"', 'sh', ...plainNode, DOOR, 'floodtest', ...args]);
  let said = '';
  run.stderr.on('data', (text) => {
    said += text;
  });
  let told = '';
  run.stdout.on('data', (text) => {
    told += text;
  });
  await until('it is told', () => said.includes('cannot be written any more (EFBIG)'), 60_000);
  run.kill('SIGINT');
  await once(run, 'close');
  t.match(told, /\nconnections +1 asked/);
  const rows = execFileSync('cat', [csv], { encoding: 'utf8' });
  t.ok(rows.endsWith('\n'), rows.slice(-80));
});

async function withDescriptors(limit: number, args: string[]) {
  const run = spawn('sh', ['-c', `ulimit -n ${limit}; exec "$@"`, 'sh', ...plainNode, DOOR, ...args]);
  let said = '';
  run.stderr.on('data', (text) => {
    said += text;
  });
  await once(run, 'close');
  return { exitCode: run.exitCode, said };
}

t.test('fewer descriptors than are needed is a sentence before the start', async (t) => {
  for (const args of [
    ['floodtest', '--connections', '1000'],
    ['msggen', '--messages', '1', '--connections', '300'],
  ]) {
    const { exitCode, said } = await withDescriptors(100, args);
    t.equal(exitCode, 2);
    t.match(said, /^error: \d+ connections need more open files than the 100 .*"ulimit -n \d+"/);
  }
  const fit = await runTool(['floodtest', '--connections', '2', '--url', 'http://127.0.0.1:9']);
  t.match(fit, { exitCode: 1, stderr: /No server answers/ });
});
