import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { GatewayProcess } from '../gateway-process.js';
import { ask } from './raw-wire.js';

/** The connections of a gateway by three independent counts: its own, its router's, and the kernel's. */
export interface Census {
  /** Streams, as the gateway counts them. */
  connections: number;
  /** As the router counts them. */
  subscribers: number;
  logins: number;
  ids: number;
  /** TCP sockets among the descriptors of the process, without its listeners and without the one that asks. */
  sockets: number;
  /** The same, as its listeners count them. */
  countedSockets: number;
  pendingBytes: number;
}

export async function census(gateway: GatewayProcess): Promise<Census> {
  const { connections, sockets, router, slowConsumers } = (await ask(gateway.apiPort, '/stats')).json;
  return {
    connections: connections.open,
    subscribers: router.subscribers,
    logins: router.logins,
    ids: router.ids,
    sockets: tcpSockets(gateway.pid),
    countedSockets: sockets.gateway + sockets.api - 1,
    pendingBytes: slowConsumers.pendingBytes,
  };
}

const listening = '0A';

/**
 * Inodes that are no connections, as a process was first seen. They stay the same, and the kernel's tables take
 * a third of a second to read while somebody else on this machine has 20,000 connections.
 */
const others = new Map<number, Set<string>>();

/**
 * Sockets of a process that are neither listening nor unix domain (which its pipes to the parent may be). A
 * leaked one that is closed already is in no table of the kernel any more, so what counts is what is not in one.
 */
function tcpSockets(pid: number): number {
  let known = others.get(pid);
  if (known === undefined) {
    known = new Set([
      ...inodes('unix', () => true, 6),
      ...inodes('tcp', (fields) => fields[3] === listening, 9),
      ...inodes('tcp6', (fields) => fields[3] === listening, 9),
    ]);
    others.set(pid, known);
  }
  return socketInodes(pid).filter((inode) => !known.has(inode)).length;
}

function socketInodes(pid: number): string[] {
  const dir = `/proc/${pid}/fd`;
  return readdirSync(dir).flatMap((descriptor) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${dir}/${descriptor}`))?.[1] ?? [];
    } catch {
      return []; // closed since
    }
  });
}

function inodes(table: string, wanted: (fields: string[]) => boolean, column: number): string[] {
  const lines = readFileSync(`/proc/net/${table}`, 'utf8').trim().split('\n').slice(1);
  const rows = lines.map((line) => line.trim().split(/\s+/));
  return rows.filter(wanted).map((fields) => fields[column]!);
}
