/** How the connections are spread over processes and source addresses. */
import { descriptorLimit } from '../msggen/descriptors.js';
import type { MqttPlan } from './mqtt-plan.js';

/** Room below the hard limit of 20,000 descriptors that many machines have. */
export const CONNECTIONS_PER_PROCESS = 18_000;
/**
 * Up to this many connections the kernel chooses the ports: it has 28,232 for all programs that connect to one address.
 */
export const CONNECTIONS_WITHOUT_SOURCE = 1000;
/**
 * More connections get addresses and ports of their own, below the ports of the kernel. With addresses only, 36,000
 * connections took 45 s and 59 s of CPU instead of 7 s and 4 s, because bind() searches all taken ports each time.
 * And a port that bind() has chosen is closed to every other client of the machine.
 */
export const SOURCE_PORT_FIRST = 10_000;
export const SOURCE_PORTS = 22_768;
export const CONNECTIONS_PER_ADDRESS = 20_000;
/** Distance to the next port when a port is taken. Large, because other programs take ports in sequence too. */
const NEXT_PORT_STEP = 4973;
export const ANSWER_TIMEOUT_MS = 30_000;
/** Descriptors a process needs beside its connections. */
const DESCRIPTOR_RESERVE = 200;

export function connectionsPerProcess(): number {
  return Math.min(CONNECTIONS_PER_PROCESS, descriptorLimit() - DESCRIPTOR_RESERVE);
}

export function processesFor(connections: number): number {
  return Math.max(1, Math.ceil(connections / connectionsPerProcess()));
}

/** The parent has a channel to each child, and pipes while it forks. */
const DESCRIPTORS_PER_PROCESS = 4;

export function processesMax(): number {
  return Math.max(1, Math.floor((descriptorLimit() - DESCRIPTOR_RESERVE) / DESCRIPTORS_PER_PROCESS));
}

/** Descriptor limit that allows so many connections in one process, or as many as a process holds. */
export function descriptorsFor(connections: number): number {
  return Math.min(connections, CONNECTIONS_PER_PROCESS) + DESCRIPTOR_RESERVE;
}

export function sourceAddressesFor(connections: number): number {
  return connections <= CONNECTIONS_WITHOUT_SOURCE ? 0 : Math.ceil(connections / CONNECTIONS_PER_ADDRESS);
}

/** A gateway's default of --mqtt-max-pending-connects-per-address. */
const PENDING_CONNECTS_PER_ADDRESS = 64;
const MQTT_SOURCES_MAX = 1000;

/** MQTT clients use many addresses, as real ones do: the gateway would refuse a fast ramp from one address. */
export function mqttSourceAddressesFor(connections: number): number {
  const sources = Math.ceil(connections / PENDING_CONNECTS_PER_ADDRESS);
  return sources === 1 ? 0 : Math.max(sourceAddressesFor(connections), Math.min(sources, MQTT_SOURCES_MAX));
}

/** 127.0.0.2, 127.0.0.3, … */
export function sourceAddresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `127.0.${(i + 2) >> 8}.${(i + 2) & 0xff}`);
}

/** Source address and port of a connection. */
export interface SourceAddress {
  localAddress: string;
  localPort: number;
}

/** @param attempt from 0; each attempt uses another port, in case one is taken */
export function sourceOf(share: Share, number: number, attempt: number): SourceAddress | undefined {
  const { sourceAddresses, sourcePortOffset } = share;
  const localAddress = sourceAddresses[number % sourceAddresses.length];
  if (localAddress === undefined) return undefined;
  const place = Math.floor(number / sourceAddresses.length) + attempt * NEXT_PORT_STEP;
  return { localAddress, localPort: SOURCE_PORT_FIRST + ((sourcePortOffset + place) % SOURCE_PORTS) };
}

/** A server to connect to. */
export interface GatewayTarget {
  /** An IP address. */
  address: string;
  port: number;
  /** Present = TLS. `servername`: the name in the certificate, unless it is one of an IP address. */
  tls?: { servername?: string };
  /** For the Host header. */
  host: string;
  /** Of the WebSocket endpoint. */
  mqttPath: string;
}

/** A cut of all connections at once, after which they reconnect. */
export interface Cut {
  /** Time after all connections are open. */
  atMs: number;
  /** The reconnects are spread over this time. */
  withinMs: number;
}

/** The part of the connections that one process opens: those with `number % processes === index`. */
export interface Share {
  index: number;
  processes: number;
  /** Connections of all processes, including devices and subscribers to everything. */
  connections: number;
  ratePerSec: number;
  gateways: GatewayTarget[];
  transport: string;
  ids: number;
  idPrefix: string;
  sourceAddresses: string[];
  /** Random for each run, to avoid the ports of the run before. */
  sourcePortOffset: number;
  /** A connection without an answer by then has failed. */
  answerTimeoutMs: number;
  cut: Cut | undefined;
  mqtt: MqttPlan;
}

export function connectionsOf(share: Share): number {
  return Math.ceil((share.connections - share.index) / share.processes);
}

/** Number of a process's connection among the connections of all processes. */
export function numberOf(share: Share, connection: number): number {
  return share.index + connection * share.processes;
}

export type Role = 'everything' | 'subscriber' | 'device';

export interface Assignment {
  role: Role;
  /** Number among the connections of its role, from 0. */
  number: number;
  gateway: GatewayTarget;
}

/**
 * Numbers of all connections: first the subscribers to everything, one at each gateway, then the subscribers, then the
 * devices. A device and the subscriber of the same number use the same gateway.
 */
export function assignmentOf(share: Share, number: number): Assignment {
  const { gateways, connections } = share;
  const everything = share.mqtt.everything === undefined ? 0 : gateways.length;
  const subscribersEnd = connections - (share.mqtt.devices?.count ?? 0);
  const [role, first]: [Role, number] =
    number < everything
      ? ['everything', 0]
      : number < subscribersEnd
        ? ['subscriber', everything]
        : ['device', subscribersEnd];
  const place = number - first;
  return { role, number: place, gateway: gateways[gatewayOf(share, role, place)]! };
}

/** Index in `gateways`. Subscribers of one id use the same gateway. */
export function gatewayOf(share: Share, role: Role, number: number): number {
  return (role === 'subscriber' ? number % share.ids : number) % share.gateways.length;
}

/** Counts from 1. */
export function idNumberOf(share: Share, subscriber: number): number {
  return (subscriber % share.ids) + 1;
}
