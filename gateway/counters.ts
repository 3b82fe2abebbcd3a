import type { Message } from '../router/message.js';
import {
  type CloseReason,
  closeReasons,
  type LossReason,
  lossReasons,
  type RefusalReason,
  refusals,
} from './close-reason.js';

/** Counters since the start. Each is increased once, where its event happens. */
export class Counters {
  /** Streams opened. */
  opened = 0;
  readonly closed = zeros(closeReasons);
  /** Closed connections; answered polls do not count. */
  closedTotal = 0;
  readonly refused = zeros(Object.keys(refusals) as RefusalReason[]);
  /** Messages written to streams, each recipient once. */
  messagesWritten = 0;
  /** Bytes of messages written, without HTTP's chunk framing. */
  messageBytesWritten = 0;
  /** Messages for a stream that it did not get. */
  readonly messagesLost = zeros(lossReasons);
  heartbeats = 0;
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

  countPollAnswered(messages: readonly Message[]): void {
    this.messagesWritten += messages.length;
    for (const { payload } of messages) this.messageBytesWritten += payload.length;
  }

  countApiError(status: string): void {
    const code = status.slice(0, 3);
    this.apiErrors[code] = (this.apiErrors[code] ?? 0) + 1;
  }

  close(reason: CloseReason): void {
    this.closed[reason]++;
    if (reason !== 'answered') this.closedTotal++;
  }
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
