// Chooses the charts of a recording, names their files, and writes them.

import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Chart, ChartOptions } from './chart.js';
import type { Size } from './frame.js';
import { ChartInputError } from './input-error.js';
import { latencyChart } from './latency-chart.js';
import { memoryChart } from './memory-chart.js';
import { cpuChart, messagesChart } from './rate-chart.js';
import { renderPng, renderSvg } from './render.js';
import type { Run } from './run.js';

export const FORMATS = ['svg', 'png'] as const;
export type Format = (typeof FORMATS)[number];

export interface Drawing {
  /** The file's name without its ending. */
  readonly name: string;
  readonly chart: Chart;
}

const CHARTS = [
  { noun: 'memory', make: memoryChart, needs: 'a row with serverRssBytes or connected' },
  { noun: 'messages', make: messagesChart, needs: 'two rows with messages' },
  { noun: 'latency', make: latencyChart, needs: 'a row with latencyP50Ms, latencyP99Ms or latencyMaxMs' },
  {
    noun: 'cpu',
    make: cpuChart,
    needs: 'two rows with serverCpuSec (record with --pid <pid of the server>)',
  },
] as const;

/** The charts that the recorded columns allow, and what is missing for the others, as sentences. */
export function runDrawings(
  name: string,
  runs: readonly Run[],
  options: ChartOptions,
): { drawings: Drawing[]; notes: string[] } {
  const drawings: Drawing[] = [];
  const notes: string[] = [];
  for (const { noun, make, needs } of CHARTS) {
    const chart = make(runs, options);
    if (chart) drawings.push({ name: `${name}-${noun}`, chart });
    else notes.push(`${name}: no ${noun} chart, which needs ${needs}.`);
  }
  if (drawings.length === 0) {
    throw new ChartInputError(
      `${name}: nothing can be drawn; record at least ${CHARTS.map(({ needs }) => needs).join(', or ')}.`,
    );
  }
  if (options.references.length > 0 && !runs.some((run) => run.has('serverRssBytes'))) {
    notes.push(
      `${name}: the references are left out, for they stand beside serverRssBytes, which was not recorded.`,
    );
  }
  return { drawings, notes };
}

/** Writes each drawing in each format; returns the paths. */
export async function writeDrawings(
  drawings: readonly Drawing[],
  outDir: string,
  formats: readonly Format[],
  size: Size,
): Promise<string[]> {
  await makeDir(outDir);
  // All charts are drawn before the first is written, so that an error leaves no half of a set.
  const files = drawings.flatMap(({ name, chart }) => {
    const svg = renderSvg(chart, size);
    return formats.map((format) => ({
      path: join(outDir, `${name}.${format}`),
      content: format === 'svg' ? svg : renderPng(svg),
    }));
  });
  for (const { path, content } of files) await write(path, content);
  return files.map(({ path }) => path);
}

export async function writeTable(table: string, name: string, outDir: string): Promise<string> {
  const path = join(outDir, `${name}.md`);
  await makeDir(outDir);
  await write(path, table);
  return path;
}

async function makeDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

async function write(path: string, content: string | Buffer): Promise<void> {
  // Renamed when it is complete, so that no half-written file has the name.
  const unfinished = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(unfinished, content);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, error: unknown): ChartInputError {
  const { code } = error as NodeJS.ErrnoException;
  return new ChartInputError(
    `${path} cannot be written (${code}); name a directory you may write to with --out.`,
    {
      cause: error,
    },
  );
}
