/**
 * `encke charts`: flags and messages of the charting tool. charts/ draws; it is loaded only when there is something to
 * draw, because the charting library takes a third of a second to load.
 */
import { dirname, join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Reference } from '../charts/chart.js';
import type { Format } from '../charts/draw.js';
import type { Size } from '../charts/frame.js';
import { ChartInputError } from '../charts/input-error.js';
import type { RecordedCsv } from '../charts/recording.js';
import type { Run } from '../charts/run.js';
import { formatBytes, parseBytes } from '../charts/units.js';
import { integerBetween } from './flag-values.js';

interface ChartsFlags {
  out?: string;
  name?: string;
  format: Format[];
  width: number;
  height: number;
  title?: string;
  reference: string[];
  compare?: true;
  table?: true;
  x?: string;
  y?: string[];
  xUnit?: string;
  yUnit?: string;
}

const EXAMPLES = `
Examples:
  # memory, messages, latency and CPU of a run, beside the 2008 original
  encke charts hour.csv --out docs/charts --reference "2008=250MB" --reference "2008, hibernating=78MB"
  # the same run in figures
  encke charts hour.csv --table
  # two runs on the same charts
  encke charts before.csv after.csv --compare --title "before and after"
  # a benchmark's own columns
  encke charts idle.csv --x connections --y rssBytes

A run is a CSV as 'encke floodtest' records it. Title, machine, date and command are read from the JSON of the same
name beside it. Bytes are shown in decimal units (1 MB = 1,000,000 bytes). Long recordings are thinned for drawing;
the lowest and the highest value of every pixel stay.`;

export function chartsCommand(): Command {
  return new Command('charts')
    .description(
      'draw what a run recorded (memory, messages a second, latency, CPU) or any CSV, as SVG, PNG or a table',
    )
    .argument('<csv...>', 'one recording or more')
    .option('-o, --out <dir>', 'where the files go (default: beside the CSV)')
    .option(
      '--name <name>',
      'what the files are called (default: as the CSV; with --compare: compare)',
      fileName,
    )
    .addOption(
      new Option('-f, --format <formats>', 'svg, png or both')
        .argParser(formats)
        .default(['svg', 'png'], 'svg,png'),
    )
    .option('--width <pixels>', 'width of a chart', integerBetween(320, 4000), 800)
    .option(
      '--height <pixels>',
      'height of a chart; more when its texts need it',
      integerBetween(300, 4000),
      460,
    )
    .option('--title <text>', 'title of the charts (default: from the JSON beside the CSV, or its name)')
    .addOption(
      new Option(
        '--reference <label=value>',
        'a level to compare with, on the memory axis, such as "2008=250MB" (may be repeated)',
      )
        .argParser((text: string, before: string[]) => [...before, text])
        .default([], 'none'),
    )
    .option('--compare', 'several runs on the same charts (default: charts of its own for each)')
    .option(
      '--table',
      'the figures as a Markdown table on stdout instead of charts; with --out, beside the charts',
    )
    .option('--x <column>', 'draw one curve against this column instead of the charts of a run')
    .option('--y <columns>', 'the columns of the curve, separated by commas', columnNames)
    .option(
      '--x-unit <unit>',
      'unit of --x, such as s or B (default: from the end of its name, as in rssBytes)',
    )
    .option('--y-unit <unit>', 'unit of --y; B is shown as KB, MB or GB')
    .addHelpText('after', EXAMPLES)
    .action(async (csvPaths: string[], flags: ChartsFlags, command: Command) => {
      try {
        checkTogether(csvPaths, flags);
        if (flags.x !== undefined && flags.y) await drawCurves(csvPaths, flags.x, flags.y, flags);
        else await drawRuns(csvPaths, flags);
      } catch (error) {
        if (!(error instanceof ChartInputError)) throw error;
        command.error(`error: ${error.message}`, { exitCode: 2, code: 'encke.charts' });
      }
    });
}

async function drawRuns(csvPaths: string[], flags: ChartsFlags): Promise<void> {
  const references = flags.reference.map((text) => reference(text, bytesOf));
  const { readRun } = await import('../charts/run.js');
  const runs: Run[] = [];
  for (const path of csvPaths) {
    const run = await readRun(path, csvPaths.length === 1 ? flags.title : undefined);
    tell(run.notes);
    runs.push(run);
  }
  const { markdownTable } = await import('../charts/table.js');
  if (flags.table && flags.out === undefined) {
    process.stdout.write(markdownTable(runs));
    return;
  }
  const groups = flags.compare
    ? [{ name: flags.name ?? 'compare', runs, dir: dirname(csvPaths[0]!) }]
    : runs.map((run, i) => ({ name: flags.name ?? run.name, runs: [run], dir: dirname(csvPaths[i]!) }));
  checkNames(groups.map(({ name, dir }) => join(flags.out ?? dir, name)));
  const { runDrawings, writeDrawings, writeTable } = await import('../charts/draw.js');
  for (const group of groups) {
    const outDir = flags.out ?? group.dir;
    const options = { title: flags.title, widthPx: flags.width, references };
    const { drawings, notes } = runDrawings(group.name, group.runs, options);
    tell(notes);
    const paths = await writeDrawings(drawings, outDir, flags.format, sizeOf(flags));
    if (flags.table) paths.push(await writeTable(markdownTable(group.runs), group.name, outDir));
    for (const path of paths) console.log(path);
  }
}

async function drawCurves(csvPaths: string[], x: string, y: string[], flags: ChartsFlags): Promise<void> {
  const { curveChart, quantity } = await import('../charts/curve-chart.js');
  const inBytes = y.every((column) => quantity(column, flags.yUnit).unit === 'B');
  const references = flags.reference.map((text) => reference(text, inBytes ? bytesOf : numberOf));
  const { readRecording } = await import('../charts/recording.js');
  const sources: RecordedCsv[] = [];
  for (const path of csvPaths) {
    const source = await readRecording(path);
    tell(source.notes);
    sources.push(source);
  }
  const { writeDrawings } = await import('../charts/draw.js');
  const curve = `${y.join('-')}-by-${x}`.replace(/[^\w.-]+/g, '_');
  const groups = flags.compare
    ? [{ name: flags.name ?? `compare-${curve}`, sources, dir: dirname(csvPaths[0]!) }]
    : sources.map((source, i) => ({
        name: flags.name ?? `${source.name}-${curve}`,
        sources: [source],
        dir: dirname(csvPaths[i]!),
      }));
  checkNames(groups.map(({ name, dir }) => join(flags.out ?? dir, name)));
  for (const group of groups) {
    const { title, xUnit, yUnit, width } = flags;
    const chart = curveChart(group.sources, { title, x, y, xUnit, yUnit, widthPx: width, references });
    const drawings = [{ name: group.name, chart }];
    const paths = await writeDrawings(drawings, flags.out ?? group.dir, flags.format, sizeOf(flags));
    for (const path of paths) console.log(path);
  }
}

function checkTogether(csvPaths: readonly string[], flags: ChartsFlags): void {
  const wrong = (sentence: string) => {
    throw new ChartInputError(sentence);
  };
  if (flags.compare && csvPaths.length < 2)
    wrong('--compare needs two CSVs or more; name another one, or leave it out.');
  if (/[\x00-\x1f\x7f]/.test(`${flags.title ?? ''}${flags.name ?? ''}`))
    wrong('--title and --name take no control characters, such as line ends or escapes.');
  if (csvPaths.length > 1 && !flags.compare) {
    if (flags.title !== undefined)
      wrong('--title with several CSVs needs --compare; else each has a title of its own.');
    if (flags.name !== undefined)
      wrong('--name with several CSVs needs --compare; else their files are called the same.');
  }
  if ((flags.x === undefined) !== (flags.y === undefined))
    wrong('--x and --y go together: name a column for each.');
  if (flags.x === undefined && (flags.xUnit ?? flags.yUnit) !== undefined) {
    wrong('--x-unit and --y-unit are for a curve: name its columns with --x and --y.');
  }
  if (flags.x !== undefined && flags.table)
    wrong('--table is for runs of floodtest; leave it out, or --x and --y.');
}

function checkNames(paths: readonly string[]): void {
  const twice = paths.find((path, i) => paths.indexOf(path) < i);
  if (twice === undefined) return;
  throw new ChartInputError(
    `two CSVs would both be drawn to ${twice}-…; draw them one by one, or with --compare.`,
  );
}

function sizeOf({ width, height }: ChartsFlags): Size {
  return { widthPx: width, heightPx: height };
}

function tell(notes: readonly string[]): void {
  for (const note of notes) console.error(`note: ${note}`);
}

function reference(text: string, levelOf: (text: string) => number | undefined): Reference {
  const cut = text.lastIndexOf('=');
  const label = text.slice(0, Math.max(0, cut)).trim();
  const amount = text.slice(cut + 1).trim();
  const value = levelOf(amount);
  if (cut < 0 || label === '' || value === undefined) {
    const example = levelOf === bytesOf ? '"2008, hibernating=78MB"' : '"the budget=1250"';
    throw new ChartInputError(`--reference "${text}" is not a label and a level; write it as ${example}.`);
  }
  return { label: `${label}: ${levelOf === bytesOf ? formatBytes(value) : amount}`, value };
}

function bytesOf(text: string): number | undefined {
  return parseBytes(text);
}

function numberOf(text: string): number | undefined {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

function formats(text: string): Format[] {
  const asked = text.split(',').map((format) => format.trim());
  const known = (format: string): format is Format => format === 'svg' || format === 'png';
  if (!asked.every(known)) throw new InvalidArgumentError('Give svg, png, or svg,png.');
  return [...new Set(asked as Format[])];
}

function columnNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('Give column names separated by commas.');
  return [...new Set(names)];
}

function fileName(text: string): string {
  if (text === '' || /[/\0]/.test(text)) {
    throw new InvalidArgumentError('Give a name without slashes; the directory is for --out.');
  }
  return text;
}
