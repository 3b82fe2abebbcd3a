/** The record of a run: a CSV with a row a second, and a JSON with the command and the machine. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import type { LatencyHistogram } from '../msggen/latency.js';
import type { FloodCounts, Tally } from './counts.js';
import type { ServerUsage } from './server-usage.js';

export const CSV_HEADER =
  'elapsedSec,connected,closed,chunks,messages,lost,duplicated,outOfOrder,latencyP50Ms,latencyP99Ms,latencyMaxMs,serverRssBytes,serverCpuSec,bytesReceived,bytesSent';

/** Further columns of a run over MQTT. */
export const MQTT_CSV_HEADER =
  'redelivered,published,disconnected,everythingMessages,everythingLost,everythingDuplicated,everythingOutOfOrder,everythingLatencyMaxMs';

export interface Row {
  elapsedSec: number;
  counts: FloodCounts;
  /** Of the last second. */
  latency: LatencyHistogram;
  /** Of the subscribers to everything. */
  everything: Tally;
  everythingLatency: LatencyHistogram;
  server: ServerUsage | undefined;
  /** Of all connections, since the row before. */
  bandwidth: Bandwidth;
}

export interface Bandwidth {
  receivedBytesPerSec: number;
  sentBytesPerSec: number;
}

export interface Context {
  title?: string;
  machine: { cpu: string; cores: number; memoryBytes: number; os: string; node: string };
  command: string[];
  startedAt: string;
}

export class Recording {
  readonly #descriptor: number;
  readonly #mqtt: boolean;
  readonly #csvFile: string;
  #sizeBytes = 0;
  /** Error that ended the record, such as ENOSPC. */
  #failure: string | undefined;

  constructor(csvFile: string, context: Context, mqtt: boolean) {
    this.#mqtt = mqtt;
    this.#csvFile = csvFile;
    this.#descriptor = openSync(csvFile, 'w');
    this.#append(`${mqtt ? `${CSV_HEADER},${MQTT_CSV_HEADER}` : CSV_HEADER}\n`);
    writeFileSync(contextFileOf(csvFile), `${JSON.stringify(context, null, 2)}\n`);
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** @returns a sentence, once, when the record has ended before the run: a full disk does not end a long run */
  write(row: Row): string | undefined {
    if (this.#failure !== undefined) return undefined;
    try {
      this.#append(`${csvRow(row, this.#mqtt)}\n`);
      return undefined;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.#failure = code ?? message;
      this.#cutHalfRow();
      return `${this.#csvFile} cannot be written any more (${this.#failure}): the record ends at ${row.elapsedSec.toFixed(0)} s, and the run goes on.`;
    }
  }

  #append(text: string): void {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
    this.#sizeBytes += bytes.length;
  }

  /** Removes a half-written row, which would look like a row with fewer digits. */
  #cutHalfRow(): void {
    try {
      ftruncateSync(this.#descriptor, this.#sizeBytes);
    } catch {
      // A pipe cannot be truncated; its reader is gone.
    }
  }

  close(): void {
    try {
      closeSync(this.#descriptor);
    } catch {
      // An error that appears only now was reported with a row, or comes too late to report.
    }
  }
}

export function contextFileOf(csvFile: string): string {
  return `${csvFile.replace(/\.csv$/i, '')}.json`;
}

export function contextOf(title: string | undefined, command: string[], startedAt: Date): Context {
  const [cpu] = cpus();
  return {
    ...(title === undefined ? {} : { title }),
    machine: {
      cpu: cpu?.model ?? 'unknown',
      cores: cpus().length,
      memoryBytes: totalmem(),
      os: operatingSystem(),
      node: process.version,
    },
    command,
    startedAt: startedAt.toISOString(),
  };
}

/** Such as `Debian GNU/Linux 12 (bookworm), Linux 6.1.0`. */
function operatingSystem(): string {
  const kernel = `${type()} ${release()}`;
  try {
    const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
    return name === undefined ? kernel : `${name}, ${kernel}`;
  } catch {
    return kernel;
  }
}

/** Without the line end. */
export function csvRow(row: Row, mqtt: boolean): string {
  const { elapsedSec, counts, latency, server } = row;
  const { connected, closed, chunks, messages, lost, duplicated, outOfOrder } = counts;
  return [
    Number(elapsedSec.toFixed(3)),
    ...[connected, closed, chunks, messages, lost, duplicated, outOfOrder],
    ...[latency.percentileMs(50), latency.percentileMs(99), latency.percentileMs(100)],
    ...[server?.rssBytes, server?.cpuSec],
    ...[counts.bytesReceived, counts.bytesSent],
    ...(mqtt ? mqttFields(row) : []),
  ]
    .map((value) => value ?? '')
    .join(',');
}

function mqttFields({ counts, everything, everythingLatency }: Row): (number | undefined)[] {
  const { redelivered, published, disconnected } = counts;
  const { messages, lost, duplicated, outOfOrder } = everything;
  return [
    ...[redelivered, published, disconnected],
    ...[messages, lost, duplicated, outOfOrder, everythingLatency.percentileMs(100)],
  ];
}
