// A run recorded by floodtest: a row a second of counters, latency, and memory and CPU of the server, with the JSON
// beside it. Owns the names of the columns.

import type { Csv } from './csv.js';
import { ChartInputError } from './input-error.js';
import type { RunMetadata } from './metadata.js';
import { type RecordedCsv, readRecording } from './recording.js';

/**
 * Counters (all but connected, the latencies and serverRssBytes) are cumulative. The last eight are of runs over MQTT.
 */
export const RUN_COLUMNS = [
  'elapsedSec',
  'connected',
  'closed',
  'chunks',
  'messages',
  'lost',
  'duplicated',
  'outOfOrder',
  'latencyP50Ms',
  'latencyP99Ms',
  'latencyMaxMs',
  'serverRssBytes',
  'serverCpuSec',
  'bytesReceived',
  'bytesSent',
  'redelivered',
  'published',
  'disconnected',
  'everythingMessages',
  'everythingLost',
  'everythingDuplicated',
  'everythingOutOfOrder',
  'everythingLatencyMaxMs',
] as const;

export type RunColumn = (typeof RUN_COLUMNS)[number];

export class Run {
  readonly name: string;
  readonly title: string;
  readonly metadata: RunMetadata;
  readonly notes: readonly string[];
  readonly elapsedSec: readonly number[];
  readonly #columns = new Map<RunColumn, readonly number[]>();
  readonly #unknown: readonly number[];

  constructor({ csv, name, title, metadata, notes }: RecordedCsv) {
    this.name = name;
    this.title = title;
    this.metadata = metadata;
    if (!csv.has('elapsedSec')) {
      throw new ChartInputError(
        `${csv.fileName} has no column "elapsedSec", so floodtest did not record it; to draw it as a curve, name its columns with --x and --y (it has ${csv.columnNames.join(', ')}).`,
      );
    }
    for (const column of RUN_COLUMNS) if (csv.has(column)) this.#columns.set(column, csv.numbers(column));
    this.elapsedSec = csv.numbers('elapsedSec');
    checkTime(this.elapsedSec, csv.fileName);
    this.#unknown = this.elapsedSec.map(() => Number.NaN);
    this.notes = [...notes, ...unshownColumns(csv)];
  }

  /** A number for each row; NaN = unknown. All NaN when the column was not recorded. */
  column(name: RunColumn): readonly number[] {
    return this.#columns.get(name) ?? this.#unknown;
  }

  has(name: RunColumn): boolean {
    return this.column(name).some((value) => !Number.isNaN(value));
  }

  get lengthSec(): number {
    return this.elapsedSec.at(-1)!;
  }
}

/** @throws ChartInputError for a recording that is no run */
export async function readRun(path: string, title?: string): Promise<Run> {
  return new Run(await readRecording(path, { everyLineEnds: true, title }));
}

function checkTime(elapsedSec: readonly number[], fileName: string): void {
  for (let row = 0; row < elapsedSec.length; row++) {
    const now = elapsedSec[row]!;
    if (Number.isNaN(now)) {
      throw new ChartInputError(
        `${fileName}, row ${row + 1}: elapsedSec is empty; fill it in or delete the row.`,
      );
    }
    if (row > 0 && now <= elapsedSec[row - 1]!) {
      throw new ChartInputError(
        `${fileName}, row ${row + 1}: elapsedSec goes from ${elapsedSec[row - 1]} to ${now}; it has to rise. If two runs are in one file, split it.`,
      );
    }
  }
}

function unshownColumns(csv: Csv): string[] {
  const others = csv.columnNames.filter((column) => !(RUN_COLUMNS as readonly string[]).includes(column));
  if (others.length === 0) return [];
  return [
    `${csv.fileName} also has ${others.join(', ')}, which no chart of a run shows; --x and --y draw them.`,
  ];
}
