/** The record: a CSV with floodtest's columns and the memory by part behind them, and the moments of the run. */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { type Context, CSV_HEADER, contextFileOf, csvRow, type Row } from '../../floodtest/recording.js';
import { kernelBytes, type PartName, type PartsReading, partNames } from './memory-parts.js';

export type Moment = 'open' | 'settled' | 'end';

/** Where the run stood at a moment. */
export interface Stand {
  row: Row;
  parts: PartsReading;
  /** Of the machine since the start of the record, 0 to 1; and of the part since, seconds. */
  busy: number;
  cpuSec: Record<PartName, number>;
  atMs: number;
}

const partsHeader = [
  ...partNames.map((name) => `${name}Bytes`),
  ...['kernelBytes', 'slabBytes', 'socketBufferBytes', 'mappedBytes', 'takenBytes', 'freeBytes', 'sockets'],
  'machineBusy',
].join(',');

export class RunRecord {
  readonly #descriptor: number;
  readonly stands: Partial<Record<Moment, Stand>> = {};
  latest: Stand | undefined;
  #before: Stand | undefined;
  #cpu = readCpu();

  constructor(csvFile: string, context: Context) {
    this.#descriptor = openSync(csvFile, 'w');
    writeSync(this.#descriptor, `${CSV_HEADER},${partsHeader}\n`);
    writeFileSync(contextFileOf(csvFile), `${JSON.stringify(context, null, 2)}\n`);
  }

  write(row: Row, parts: PartsReading): void {
    // The servers' own bytes are what the memory chart is to show: RSS counts the program once for each of them.
    const { server } = row;
    const shown =
      server === undefined ? row : { ...row, server: { ...server, rssBytes: parts.own.gateways } };
    const cpu = readCpu();
    const busy = 1 - (cpu.idle - this.#cpu.idle) / Math.max(1, cpu.total - this.#cpu.total);
    this.#cpu = cpu;
    this.#before = this.latest;
    this.latest = {
      row: { ...row, counts: { ...row.counts } },
      parts,
      busy,
      cpuSec: parts.cpuSec,
      atMs: performance.now(),
    };
    const { own, kernel, mapped, taken, available, sockets } = parts;
    const values = [
      ...partNames.map((name) => own[name]),
      ...[kernelBytes(parts), kernel.slab, kernel.socketBuffers, mapped, taken, available, sockets],
      busy.toFixed(3),
    ];
    writeSync(this.#descriptor, `${csvRow(shown, false)},${values.join(',')}\n`);
  }

  mark(moment: Moment): void {
    if (this.latest !== undefined) this.stands[moment] = this.latest;
  }

  /** For the terminal. */
  line(): string {
    const { row, parts, busy } = this.latest!;
    const { counts, latency } = row;
    const seconds = row.elapsedSec - (this.#before?.row.elapsedSec ?? 0);
    const perSec = (now: number, before = 0) => Math.round((now - before) / Math.max(seconds, 0.001));
    const before = this.#before?.row.counts;
    const { own } = parts;
    return [
      `${Math.round(row.elapsedSec)} s`.padStart(7),
      `connected ${counts.connected} (+${perSec(counts.connected, before?.connected)}/s)`,
      `closed ${counts.closed}`,
      ...(counts.refused + counts.failed > 0 ? [`refused ${counts.refused} failed ${counts.failed}`] : []),
      ...(counts.messages > 0
        ? [`messages ${perSec(counts.messages, before?.messages)}/s lost ${counts.lost}`]
        : []),
      ...(latency.total > 0
        ? [`p50 ${latency.percentileMs(50)!.toFixed(1)} p99 ${latency.percentileMs(99)!.toFixed(1)} ms`]
        : []),
      `gateways ${gb(own.gateways)} clients ${gb(own.clients)} redis ${gb(own.redis)} kernel ${gb(kernelBytes(parts))} free ${gb(parts.available)} GB`,
      `busy ${Math.round(busy * 100)} %`,
    ].join('  ');
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function gb(bytes: number): string {
  return (bytes / 1e9).toFixed(2);
}

/** Ticks of all cores. */
function readCpu(): { idle: number; total: number } {
  const line = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!;
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { idle: ticks[3]! + ticks[4]!, total: ticks.reduce((sum, tick) => sum + tick, 0) };
}
