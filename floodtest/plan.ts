/** How the connections are spread over processes and source addresses. */
import { descriptorLimit } from '../msggen/descriptors.js';
import type { MqttPlan } from './mqtt-plan.js';

/** Room below the hard limit of 20,000 descriptors that many machines have. */
export const CONNECTIONS_PER_PROCESS = 18_000;
/** Up to this many the kernel chooses the source; it has 28,232 ports for all programs that talk to one address. */
export const CONNECTIONS_WITHOUT_SOURCE = 1000;
/**
 * Above, connections come from addresses and ports of their own, the ports below those the kernel gives out. With
 * addresses only, 36,000 connections took 45 s and 59 s of CPU instead of 7 s and 4 s, because bind() looks through all
 * taken ports each time; and a port that bind() has chosen is closed to every other client of the machine.
 */
export const SOURCE_PORT_FIRST = 10_000;
export const SOURCE_PORTS = 22_768;
export const CONNECTIONS_PER_ADDRESS = 20_000;
/** How far off the next port is tried when somebody has the first: far, since others take theirs in rows too. */
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

/** The one that forks them has a channel to each, and pipes while it forks. */
const DESCRIPTORS_PER_PROCESS = 4;

export function processesMax(): number {
  return Math.max(1, Math.floor((descriptorLimit() - DESCRIPTOR_RESERVE) / DESCRIPTORS_PER_PROCESS));
}

/** A limit at which so many connections can be opened: in one process, or as many as a process holds. */
export function descriptorsFor(connections: number): number {
  return Math.min(connections, CONNECTIONS_PER_PROCESS) + DESCRIPTOR_RESERVE;
}

export function sourceAddressesFor(connections: number): number {
  return connections <= CONNECTIONS_WITHOUT_SOURCE ? 0 : Math.ceil(connections / CONNECTIONS_PER_ADDRESS);
}

/** A gateway lets so many connections of one address be without an accepted CONNECT (--mqtt-max-pending-connects-per-address). */
const PENDING_CONNECTS_PER_ADDRESS = 64;
const MQTT_SOURCES_MAX = 1000;

/** MQTT clients come from many addresses, as in the world: from one, an opening at full speed would be refused. */
export function mqttSourceAddressesFor(connections: number): number {
  const sources = Math.ceil(connections / PENDING_CONNECTS_PER_ADDRESS);
  return sources === 1 ? 0 : Math.max(sourceAddressesFor(connections), Math.min(sources, MQTT_SOURCES_MAX));
}

/** 127.0.0.2, 127.0.0.3, … */
export function sourceAddresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `127.0.${(i + 2) >> 8}.${(i + 2) & 0xff}`);
}

/** Where a connection that is bound to a source address comes from. */
export interface SourceAddress {
  localAddress: string;
  localPort: number;
}

/** `attempt` counts from 0: the next one takes another port, in case somebody else has the first. */
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
  /** Spoken over TLS; the name that its certificate must have, where it is none of an IP address. */
  tls?: { servername?: string };
  /** For the Host header. */
  host: string;
  /** Of the WebSocket endpoint. */
  mqttPath: string;
}

/** All connections are cut at once, and come back. */
export interface Cut {
  /** After all are open. */
  atMs: number;
  /** They come back spread over this time. */
  withinMs: number;
}

/** The part of the connections that one process opens: those with `number % processes === index`. */
export interface Share {
  index: number;
  processes: number;
  /** Of all processes together, those that publish and those that receive everything included. */
  connections: number;
  ratePerSec: number;
  gateways: GatewayTarget[];
  transport: string;
  ids: number;
  idPrefix: string;
  sourceAddresses: string[];
  /** Random for each run, so that it does not meet the ports the last one has just left. */
  sourcePortOffset: number;
  /** A connection that has no answer by then has failed. */
  answerTimeoutMs: number;
  cut: Cut | undefined;
  mqtt: MqttPlan;
}

export function connectionsOf(share: Share): number {
  return Math.ceil((share.connections - share.index) / share.processes);
}

/** The number of a process's connection among those of all processes. */
export function numberOf(share: Share, connection: number): number {
  return share.index + connection * share.processes;
}

export type Role = 'everything' | 'subscriber' | 'device';

export interface Assignment {
  role: Role;
  /** Among those of its role, from 0. */
  number: number;
  gateway: GatewayTarget;
}

/**
 * First the subscribers to everything, one at each gateway, then the subscribers, then the devices. A device and the
 * subscriber of the same number are at the same gateway.
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

/** By its place in `gateways`. Where there are fewer ids than subscribers, those of one id are together. */
export function gatewayOf(share: Share, role: Role, number: number): number {
  return (role === 'subscriber' ? number % share.ids : number) % share.gateways.length;
}

/** Counts from 1. */
export function idNumberOf(share: Share, subscriber: number): number {
  return (subscriber % share.ids) + 1;
}
