import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { type Ended, enckeCharts } from './door.js';
import { RUN_HEADER, sampleMetadata, sampleRunCsv } from './sample-run.js';

const AT_A_TIME = 4;
const SAMPLE = sampleRunCsv({ lengthSec: 120, connections: 1_000 });

t.test('a run becomes SVG and PNG beside it, and the paths are printed', async (t) => {
  const dir = t.testdir({ 'run.csv': SAMPLE, 'run.json': sampleMetadata('one thousand') });
  const { exitCode, stdout, stderr } = await enckeCharts(['run.csv', '--reference', '2008=250MB'], dir);
  t.equal(exitCode, 0, stderr);
  t.equal(stderr, '');
  const names = ['memory', 'messages', 'latency', 'cpu'].flatMap((noun) => [
    `run-${noun}.svg`,
    `run-${noun}.png`,
  ]);
  t.same(stdout.trim().split('\n'), names);
  t.same((await readdir(dir)).sort(), [...names, 'run.csv', 'run.json'].sort());
  const svg = await readFile(join(dir, 'run-memory.svg'), 'utf8');
  t.match(svg, 'Server memory and connections: one thousand');
  t.match(svg, '2008: 250 MB');
  t.match(svg, '<svg width="800" height="460"');
  const png = await readFile(join(dir, 'run-memory.png'));
  t.equal(png.readUInt32BE(16), 800);
});

t.test('size, format, title, name and place are the user’s', async (t) => {
  const dir = t.testdir({ 'run.csv': SAMPLE });
  const args = [
    'run.csv',
    '--out',
    'a/b',
    '--name',
    'x',
    '--format',
    'svg',
    '--width',
    '640',
    '--height',
    '400',
    '--title',
    'mine',
  ];
  const { exitCode, stderr } = await enckeCharts(args, dir);
  t.equal(exitCode, 0, stderr);
  t.match(stderr, 'no run.json beside the CSV');
  t.same((await readdir(join(dir, 'a/b'))).sort(), [
    'x-cpu.svg',
    'x-latency.svg',
    'x-memory.svg',
    'x-messages.svg',
  ]);
  const svg = await readFile(join(dir, 'a/b/x-cpu.svg'), 'utf8');
  t.match(svg, '<svg width="640" height="400"');
  t.match(svg, 'Server CPU: mine');
});

t.test('drawn again, the files are the same', async (t) => {
  const dir = t.testdir({ 'run.csv': SAMPLE });
  for (const out of ['a', 'b']) t.equal((await enckeCharts(['run.csv', '--out', out], dir)).exitCode, 0);
  const names = await readdir(join(dir, 'a'));
  t.equal(names.length, 8);
  for (const name of names) {
    t.ok((await readFile(join(dir, 'a', name))).equals(await readFile(join(dir, 'b', name))), name);
  }
});

t.test('the table goes to stdout, or with --out beside the charts', async (t) => {
  const dir = t.testdir({ 'run.csv': SAMPLE, 'run.json': sampleMetadata('one thousand') });
  const printed = await enckeCharts(['run.csv', '--table'], dir);
  t.equal(printed.exitCode, 0, printed.stderr);
  t.match(printed.stdout, '| | one thousand |');
  t.match(printed.stdout, '| Connections | 1,000 |');
  t.same((await readdir(dir)).sort(), ['run.csv', 'run.json'], 'nothing is drawn');
  t.equal((await enckeCharts(['run.csv', '--table', '--out', 'out', '--format', 'svg'], dir)).exitCode, 0);
  t.equal(await readFile(join(dir, 'out/run.md'), 'utf8'), printed.stdout);
  t.equal((await readdir(join(dir, 'out'))).length, 5);
});

t.test('several runs: each on its own, or compared', async (t) => {
  const dir = t.testdir({ 'a.csv': SAMPLE, 'b.csv': SAMPLE });
  const apart = await enckeCharts(['a.csv', 'b.csv', '--out', 'apart', '--format', 'svg'], dir);
  t.equal(apart.exitCode, 0, apart.stderr);
  t.equal((await readdir(join(dir, 'apart'))).length, 8);
  const together = await enckeCharts(
    ['a.csv', 'b.csv', '--compare', '--out', 'together', '--format', 'svg'],
    dir,
  );
  t.equal(together.exitCode, 0, together.stderr);
  t.same((await readdir(join(dir, 'together'))).length, 4);
  t.match(await readFile(join(dir, 'together/compare-memory.svg'), 'utf8'), /a: server RSS.*b: server RSS/s);
});

t.test('any other CSV becomes a curve', async (t) => {
  const dir = t.testdir({ 'idle.csv': 'connections,rssBytes\n0,41000000\n10000,52000000\n' });
  const args = ['idle.csv', '--x', 'connections', '--y', 'rssBytes', '--reference', 'budget=53.5MB'];
  const { exitCode, stdout, stderr } = await enckeCharts(args, dir);
  t.equal(exitCode, 0, stderr);
  t.same(stdout.trim().split('\n'), ['idle-rssBytes-by-connections.svg', 'idle-rssBytes-by-connections.png']);
  const svg = await readFile(join(dir, 'idle-rssBytes-by-connections.svg'), 'utf8');
  t.match(svg, 'rss (MB)');
  t.match(svg, 'budget: 53.5 MB');
});

t.test('a recording that was cut off is taken without its last line', async (t) => {
  const dir = t.testdir({ 'run.csv': SAMPLE.slice(0, -10) });
  const { exitCode, stderr } = await enckeCharts(['run.csv', '--table'], dir);
  t.equal(exitCode, 0);
  t.match(stderr, 'note: run.csv stops in the middle of line 122; that line is left out.');
});

t.test('a JSON that says nothing useful is left out, and the run taken', async (t) => {
  const dir = t.testdir({ 'run.csv': SAMPLE, 'run.json': '{"title": ' });
  const { exitCode, stderr } = await enckeCharts(['run.csv', '--table'], dir);
  t.equal(exitCode, 0);
  t.match(stderr, 'note: run.json is left out: not JSON');
  await writeFile(join(dir, 'run.json'), '{"title": 7}');
  t.match((await enckeCharts(['run.csv', '--table'], dir)).stderr, /note: run\.json is left out: .*title/);
});

t.test('where nothing can be drawn: one sentence, exit code 2', async (t) => {
  const dir = t.testdir({
    'run.csv': SAMPLE,
    'empty.csv': '',
    'norows.csv': `${RUN_HEADER}\n`,
    'nothing.csv': 'elapsedSec,connected,messages\n0,,\n1,,\n',
    'idle.csv': 'connections,rssBytes\n0,41000000\n',
    'holes.csv': 'connections,rssBytes\n0,\n1,\n',
    'text.csv': SAMPLE.replace(/\n5,/, '\n5,many'),
    'short.csv': SAMPLE.replace(/\n5,.*/, '\n5,1000'),
    'twice.csv': SAMPLE + SAMPLE.replace(RUN_HEADER, '').trimStart(),
    sub: { 'run.csv': SAMPLE },
  });
  const cases: [string[], RegExp][] = [
    [['none.csv'], /none\.csv cannot be read: there is no such file/],
    [['sub'], /sub cannot be read: it is a directory/],
    [['empty.csv'], /empty\.csv is empty/],
    [['norows.csv'], /norows\.csv has no rows/],
    [['nothing.csv'], /nothing can be drawn/],
    [['idle.csv'], /no column "elapsedSec".*--x and --y \(it has connections, rssBytes\)/],
    [['text.csv'], /text\.csv, line 7: "many1000" in column "connected" is not a number/],
    [['short.csv'], /short\.csv, line 7: 2 fields where the header names 13 columns/],
    [['twice.csv'], /elapsedSec goes from 120 to 0.*split it/],
    [
      ['idle.csv', '--x', 'conections', '--y', 'rssBytes'],
      /no column "conections"; it has connections, rssBytes/,
    ],
    [['holes.csv', '--x', 'connections', '--y', 'rssBytes'], /no row has both connections and rssBytes/],
    [['idle.csv', '--x', 'connections'], /--x and --y go together/],
    [['run.csv', '--y-unit', 'B'], /--x-unit and --y-unit are for a curve/],
    [['idle.csv', '--x', 'connections', '--y', 'rssBytes', '--table'], /--table is for runs/],
    [['run.csv', '--compare'], /--compare needs two CSVs/],
    [['run.csv', 'idle.csv', '--title', 'x'], /--title with several CSVs needs --compare/],
    [['run.csv', 'sub/run.csv', '--out', 'x'], /would both be drawn to x\/run/],
    [['run.csv', '--reference', '78MB'], /--reference "78MB" is not a label and a level/],
    [['run.csv', '--reference', '2008=lots'], /write it as "2008, hibernating=78MB"/],
    [['run.csv', '--format', 'gif'], /Give svg, png, or svg,png/],
    [['run.csv', '--width', '12'], /Give a whole number from 320 to 4000/],
    [['run.csv', '--out', 'run.csv'], /run\.csv cannot be written \(EEXIST\)/],
    [['run.csv', '--colour'], /unknown option '--colour'/],
    [[], /missing required argument 'csv'/],
  ];
  const ended: Ended[] = [];
  for (let i = 0; i < cases.length; i += AT_A_TIME) {
    ended.push(...(await Promise.all(cases.slice(i, i + AT_A_TIME).map(([args]) => enckeCharts(args, dir)))));
  }
  for (const [i, [args, sentence]] of cases.entries()) {
    const { exitCode, stdout, stderr } = ended[i]!;
    const what = args.join(' ');
    const sentences = stderr
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('note: '));
    t.equal(exitCode, 2, `${what}: exit code`);
    t.match(stderr, sentence, what);
    t.equal(sentences.length, 1, `${what}: one line`);
    t.equal(stdout, '', `${what}: nothing on stdout`);
  }
});

t.test('a title with control characters is a sentence, and nothing is written', async (t) => {
  const dir = t.testdir({ 'run.csv': SAMPLE });
  for (const title of ['a\nb', 'a\u001b[31mb', 'a\u0007']) {
    const { exitCode, stderr } = await enckeCharts(['run.csv', '--title', title, '--out', 'x'], dir);
    t.equal(exitCode, 2);
    t.match(stderr, /^error: --title and --name take no control characters/);
  }
  t.same(await readdir(dir), ['run.csv']);
});

t.test('where a file cannot be written nothing half of it is left', async (t) => {
  const dir = t.testdir({ 'run.csv': SAMPLE, out: { 'run-memory.png': {} } });
  const { exitCode, stderr } = await enckeCharts(['run.csv', '--out', 'out', '--format', 'png'], dir);
  t.equal(exitCode, 2);
  t.match(stderr, /error: out\/run-memory\.png cannot be written \(EISDIR\)/);
  t.same(await readdir(join(dir, 'out')), ['run-memory.png']);
});

t.test('an SVG says what it is, whatever its title has in it', async (t) => {
  const dir = t.testdir({ 'run.csv': SAMPLE, 'run.json': sampleMetadata('a <b> & \u0001') });
  t.equal((await enckeCharts(['run.csv', '--format', 'svg'], dir)).exitCode, 0);
  const svg = await readFile(join(dir, 'run-cpu.svg'), 'utf8');
  t.match(svg, /^<svg [^>]* role="img"><title>Server CPU: a &lt;b&gt; &amp; \ufffd<\/title>/);
  t.notMatch(svg, /\u0001/);
});
