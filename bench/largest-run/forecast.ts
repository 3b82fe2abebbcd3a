/** Forecasts the memory and descriptors of the run from smaller runs, and checks whether the machine has them. */
import { readFileSync } from 'node:fs';
import { availableBytes } from './memory-parts.js';
import type { Plan } from './plan.js';

/**
 * Bytes of a process without connections, and of a connection at its most, which is when they have all just come and
 * nothing has been given back. Measured with --connections 100000, rounded up: docs/benchmarks.md.
 */
const costs = {
  gateways: { process: 28e6, connection: 2_800 },
  clients: { process: 10.6e6, connection: 2_600 },
  redis: { process: 10e6, connection: 1_000 },
  kernel: { process: 1.5e6, connection: 10_600 },
  /** The router, msggen, this program; programs and libraries, which are in memory once. */
  rest: { process: 300e6, connection: 0 },
} as const;

/** Memory of Redis for an edge of the friends graph, measured with bench/redis-graph.ts. */
const edgeBytes = 72;

type Cost = keyof typeof costs;

/** Sockets of both ends; the rest of the machine has some, too. */
const descriptorsAConnection = 2;
const descriptorsElse = 20_000;

export function forecastOf({
  connections,
  gateways,
  clientProcesses,
  redisServers,
  followed,
}: Plan): Record<Cost, number> {
  const processes: Record<Cost, number> = {
    gateways,
    clients: clientProcesses,
    redis: redisServers,
    kernel: gateways + clientProcesses,
    rest: 1,
  };
  const bytesOf = (part: Cost) =>
    processes[part] * costs[part].process + connections * costs[part].connection;
  const parts = Object.keys(costs) as Cost[];
  const forecast = Object.fromEntries(parts.map((part) => [part, bytesOf(part)])) as Record<Cost, number>;
  forecast.redis += followed * connections * edgeBytes;
  return forecast;
}

export function forecastText(plan: Plan): string {
  const forecast = forecastOf(plan);
  const lines = Object.entries(forecast).map(([part, bytes]) => `  ${part.padEnd(9)}${gb(bytes)} GB`);
  return [
    `${plan.connections} connections: ${plan.gateways} gateways and ${plan.clientProcesses} floodtest processes, ${Math.ceil(plan.connections / plan.loginsPerSec)} s to connect at ${plan.loginsPerSec}/s,`,
    `then ${plan.messagesPerSec} messages/s for ${plan.holdMs / 1000} s; a heartbeat after ${plan.heartbeatSec} s. Memory by forecast:`,
    ...lines,
    `  together ${gb(sum(forecast))} GB of the ${gb(availableBytes())} GB that are free; it stops below ${gb(plan.freeBytesMin)} GB.`,
  ].join('\n');
}

/** Ends the process with a sentence where it does not. */
export function assertItFits(plan: Plan): void {
  const room = availableBytes() - plan.freeBytesMin;
  const needed = sum(forecastOf(plan));
  if (needed > room) {
    stop(
      `That is ${gb(needed - room)} GB more than there is: ask for ${Math.floor((plan.connections * room) / needed / 1000) * 1000} connections, or try with --anyway.`,
    );
  }
  const descriptors = plan.connections * descriptorsAConnection + descriptorsElse;
  const descriptorsMax = Number(readFileSync('/proc/sys/fs/file-max', 'latin1'));
  if (descriptors > descriptorsMax) {
    stop(
      `The machine may open ${descriptorsMax} files, and this takes ${descriptors}: sysctl fs.file-max=${descriptors}.`,
    );
  }
  const watches = plan.connections * descriptorsAConnection;
  const watchesMax = Number(readFileSync('/proc/sys/fs/epoll/max_user_watches', 'latin1'));
  if (watches > watchesMax) {
    stop(
      `A user may watch ${watchesMax} files, and this takes ${watches}: sysctl fs.epoll.max_user_watches=${watches}.`,
    );
  }
}

function stop(sentence: string): never {
  console.error(sentence);
  process.exit(2);
}

function sum(forecast: Record<Cost, number>): number {
  return Object.values(forecast).reduce((total, bytes) => total + bytes, 0);
}

function gb(bytes: number): string {
  return (bytes / 1e9).toFixed(2);
}
