import type { Message } from '../router/message.js';
import {
  type CloseReason,
  closeReasons,
  type LossReason,
  lossReasons,
  type RefusalReason,
  refusals,
} from './close-reason.js';
import { type ConnectionTransport, connectionTransports } from './connection-transport.js';
import { DeliveryLatency } from './delivery-latency.js';
import { Written } from './written.js';

/** Counters since the start. Each is increased once, where its event happens. */
export class Counters {
  /** Streams opened. */
  opened = 0;
  /** Connections that are open now, by transport. */
  readonly open = zeros(connectionTransports);
  readonly closed = zeros(closeReasons);
  /** Closed connections; answered polls do not count. */
  closedTotal = 0;
  readonly refused = zeros(Object.keys(refusals) as RefusalReason[]);
  /** Messages written to HTTP streams and polls. */
  readonly written = Object.fromEntries(connectionTransports.map((name) => [name, new Written()])) as Record<
    ConnectionTransport,
    Written
  >;
  /** PUBLISH packets written, by QoS, with their messages. */
  readonly mqttWritten = [new Written(), new Written(), new Written()] as const;
  readonly latency = new DeliveryLatency();
  /** Messages for a stream that it did not get. */
  readonly messagesLost = zeros(lossReasons);
  heartbeats = 0;
  /** How often a stream has got other credentials. */
  refreshed = 0;
  /** Bytes of MQTT that clients have sent, without WebSocket's framing. */
  mqttBytesReceived = 0;
  /** MQTT packets that clients have sent, of whatever kind. */
  mqttPacketsReceived = 0;
  /** PUBLISH packets that clients have sent, by QoS. */
  readonly mqttPublishesReceived = [0, 0, 0];
  /** PUBLISH packets to $SYS, which are acknowledged and dropped. */
  mqttPublishesIgnored = 0;
  /** PUBLISH packets of clients that may not publish there. */
  mqttPublishesDenied = 0;
  /** CONNECT packets answered, by return code. */
  readonly mqttConnacks = [0, 0, 0, 0, 0, 0];
  /** Requests to the router API that were answered with an error, by status. */
  readonly apiErrors: Record<string, number> = {};

  /** Sum over all reasons. */
  get messagesLostTotal(): number {
    return Object.values(this.messagesLost).reduce((sum, lost) => sum + lost, 0);
  }

  lose(reason: LossReason, messages: number): void {
    this.messagesLost[reason] += messages;
  }

  /** Messages written, each recipient once. */
  get messagesWritten(): number {
    return this.#sumOfWritten(({ messages }) => messages);
  }

  /** Payload bytes of the messages written, without framing. */
  get messageBytesWritten(): number {
    return this.#sumOfWritten(({ bytes }) => bytes);
  }

  /** Gives one number for each transport. MQTT is counted by QoS, and is all over WebSocket. */
  writtenBy(of: (written: Written) => number): Record<string, number> {
    const mqtt = this.mqttWritten.reduce((sum, written) => sum + of(written), 0);
    const entries = connectionTransports.map((name) => [name, of(this.written[name])] as const);
    return { ...Object.fromEntries(entries), 'mqtt-ws': mqtt };
  }

  countPollAnswered(messages: readonly Message[]): void {
    const written = this.written['long-poll'];
    for (const { payload } of messages) written.count(payload.length);
  }

  countApiError(status: string): void {
    const code = status.slice(0, 3);
    this.apiErrors[code] = (this.apiErrors[code] ?? 0) + 1;
  }

  close(reason: CloseReason): void {
    this.closed[reason]++;
    if (reason !== 'answered') this.closedTotal++;
  }

  #sumOfWritten(of: (written: Written) => number): number {
    return Object.values(this.writtenBy(of)).reduce((sum, each) => sum + each, 0);
  }
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
