/**
 * Memory of the run by part. Of a process only what is its own (RssAnon): the program and the libraries are in memory once
 * for all of them, and are a part by themselves; RSS would count those 30 MB a hundred times.
 */
import { readFileSync } from 'node:fs';
import { serverUsage } from '../../floodtest/server-usage.js';

export const partNames = ['gateways', 'clients', 'redis', 'router', 'publisher'] as const;
export type PartName = (typeof partNames)[number];
export type PartPids = Record<PartName, number[]>;

export interface PartsReading {
  /** Bytes of the processes' own. */
  own: Record<PartName, number>;
  /** CPU time since the start of the part, seconds; of processes that have ended none. */
  cpuSec: Record<PartName, number>;
  /** Of the kernel, bytes more than before the run: */
  kernel: { slab: number; socketBuffers: number; pageTables: number; stacks: number; percpu: number };
  /** Pages of files that some process has mapped; of the whole machine. */
  mapped: number;
  available: number;
  /** Since before the run, whatever for. */
  taken: number;
  sockets: number;
}

export class MemoryParts {
  readonly #before = readKernel();

  read(pids: PartPids): PartsReading {
    const now = readKernel();
    const before = this.#before;
    const own = {} as Record<PartName, number>;
    const cpuSec = {} as Record<PartName, number>;
    for (const part of partNames) {
      own[part] = sumOf(pids[part], ownBytes);
      cpuSec[part] = sumOf(pids[part], (pid) => serverUsage([pid])?.cpuSec ?? 0);
    }
    return {
      own,
      cpuSec,
      kernel: {
        slab: now.slab - before.slab,
        socketBuffers: now.socketBuffers - before.socketBuffers,
        pageTables: now.pageTables - before.pageTables,
        stacks: now.stacks - before.stacks,
        percpu: now.percpu - before.percpu,
      },
      mapped: now.mapped,
      available: now.available,
      taken: before.available - now.available,
      sockets: now.sockets,
    };
  }
}

export function kernelBytes({ kernel }: PartsReading): number {
  return Object.values(kernel).reduce((sum, bytes) => sum + bytes, 0);
}

export function availableBytes(): number {
  return meminfo(readFileSync('/proc/meminfo', 'latin1'), 'MemAvailable');
}

function readKernel() {
  const text = readFileSync('/proc/meminfo', 'latin1');
  const sockstat = readFileSync('/proc/net/sockstat', 'latin1');
  const [, inUse, pages] = /^TCP: inuse (\d+) .* mem (\d+)$/m.exec(sockstat) ?? [];
  return {
    slab: meminfo(text, 'Slab'),
    pageTables: meminfo(text, 'PageTables'),
    stacks: meminfo(text, 'KernelStack'),
    percpu: meminfo(text, 'Percpu'),
    mapped: meminfo(text, 'Mapped'),
    available: meminfo(text, 'MemAvailable'),
    socketBuffers: Number(pages) * 4096,
    sockets: Number(inUse),
  };
}

function meminfo(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

function ownBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0; // has ended
  }
}

function sumOf(pids: readonly number[], bytesOf: (pid: number) => number): number {
  return pids.reduce((sum, pid) => sum + bytesOf(pid), 0);
}
