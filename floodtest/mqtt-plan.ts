/** The plan of a run's MQTT connections: session, keep-alive, QoS and length of life. */
import type { MqttQos } from '../msggen/mqtt/packets.js';

/** Shares of QoS 0, 1 and 2; together 1. */
export type QosShares = readonly [number, number, number];

/** A share of the connections lives between `minMs` and `maxMs`. Others replace them. */
export interface Lives {
  share: number;
  minMs: number;
  maxMs: number;
}

/** Connections that publish, on a schedule over all of them. */
export interface DevicesPlan {
  count: number;
  ratePerSec: number;
  /** Template with `{n}`, the number of the device from 1, and perhaps `{m}`, the number of one of its topics. */
  topic: string;
  topicsEach: number;
  sizeBytes: number;
}

export interface MqttPlan {
  qosShares: QosShares;
  cleanSession: boolean;
  keepAliveSec: number;
  clientIdPrefix: string;
  /** In both `{n}` is the number of the client among those of its role, from 1, and `{role}` that role. */
  username: string | undefined;
  password: string | undefined;
  /** The filter of each subscriber; `{n}` is the number of its id. */
  filter: string;
  /** The QoS of the subscribers to everything, if there are any. */
  everything: MqttQos | undefined;
  lives: Lives | undefined;
  /** Subscribers that unsubscribe a second, and subscribe again. */
  resubscribesPerSec: number | undefined;
  devices: DevicesPlan | undefined;
}

export const QOS_0_ONLY: QosShares = [1, 0, 0];

/** QoS of the subscriber or device with this number. Any sequence of numbers has the shares of the plan. */
export function qosByShares([, qos1, qos2]: QosShares, number: number): MqttQos {
  if (isChosen(qos2, number)) return 2;
  if (qos1 === 0) return 0;
  return isChosen(qos1 / (1 - qos2), number - chosenBefore(qos2, number)) ? 1 : 0;
}

function isChosen(share: number, number: number): boolean {
  return chosenBefore(share, number + 1) > chosenBefore(share, number);
}

/** Guards against 0.2 * 15 being 3.0000000000000004 or 2.9999999999999996. */
function chosenBefore(share: number, number: number): number {
  return Math.floor(share * number + 1e-9);
}

/** Prime, so that the short-lived connections are spread over all numbers, QoS and roles. */
const LIVES_STEP = 7919;

/** Length of the connection's life; undefined = until the end of the run. */
export function lifeMs(lives: Lives | undefined, number: number, connections: number): number | undefined {
  if (lives === undefined) return undefined;
  if ((number * LIVES_STEP) % connections >= Math.round(lives.share * connections)) return undefined;
  return lives.minMs + Math.random() * (lives.maxMs - lives.minMs);
}

/** The filter that matches every topic of the device. */
export function deviceFilter({ topic }: DevicesPlan): string {
  const levels = topic.split('/');
  return levels.map((level) => (level.includes('{m}') ? '+' : level)).join('/');
}

export function deviceTopic({ topic, topicsEach }: DevicesPlan, number: number, seq: number): string {
  return topic.replace('{n}', String(number)).replace('{m}', String(((seq - 1) % topicsEach) + 1));
}
