/** How the connections are spread over processes and source addresses. */
import { readFileSync } from 'node:fs';

/** Room below the hard limit of 20,000 descriptors that many machines have. */
export const CONNECTIONS_PER_PROCESS = 18_000;
/** One source address has 28,232 ports (32768 to 60999 on Linux) for one server port: above this, spread. */
export const CONNECTIONS_ON_ONE_ADDRESS = 25_000;
/**
 * And then to this many on each: for a socket bound to an address the kernel looks for a free port among 7,058 first,
 * and through all of them each time once they are taken. 36,000 connections took 45 s and 59 s of CPU on 2 addresses,
 * 7 s and 6 s on 8.
 */
export const CONNECTIONS_PER_ADDRESS = 5000;
/** Descriptors a process needs beside its connections. */
const DESCRIPTOR_RESERVE = 200;

export function descriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const soft = /^Max open files +(\S+)/m.exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

export function connectionsPerProcess(): number {
  return Math.min(CONNECTIONS_PER_PROCESS, descriptorLimit() - DESCRIPTOR_RESERVE);
}

export function processesFor(connections: number): number {
  return Math.max(1, Math.ceil(connections / connectionsPerProcess()));
}

export function sourceAddressesFor(connections: number): number {
  return connections <= CONNECTIONS_ON_ONE_ADDRESS ? 1 : Math.ceil(connections / CONNECTIONS_PER_ADDRESS);
}

/** 127.0.0.2, 127.0.0.3, … ; none when one address is enough, and the kernel chooses. */
export function sourceAddresses(count: number): string[] {
  if (count <= 1) return [];
  return Array.from({ length: count }, (_, i) => `127.0.${(i + 2) >> 8}.${(i + 2) & 0xff}`);
}

/** The part of the connections that one process opens: those with `number % processes === index`. */
export interface Share {
  index: number;
  processes: number;
  /** Of all processes together. */
  connections: number;
  ratePerSec: number;
  /** An IP address. */
  address: string;
  port: number;
  /** For the Host header. */
  host: string;
  transport: string;
  ids: number;
  idPrefix: string;
  sourceAddresses: string[];
}

export function connectionsOf(share: Share): number {
  return Math.ceil((share.connections - share.index) / share.processes);
}
