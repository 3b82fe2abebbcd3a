/**
 * Messages that the connections of one process have received: counts and latencies, a row for each QoS and one for the
 * subscribers to everything. Those distinguish streams of messages by topic; all others have one stream a publisher.
 */
import { type LatencyCounts, LatencyHistogram } from '../msggen/latency.js';
import type { Publication } from '../msggen/mqtt/packets.js';
import { readStamp, type Stamp } from '../msggen/stamp.js';
import { EVERYTHING_ROW, noTally, type PublishedSeqs, ROW_NAMES, type Tally } from './counts.js';
import { qosByShares } from './mqtt-plan.js';
import { type Assignment, assignmentOf, connectionsOf, gatewayOf, numberOf, type Share } from './plan.js';
import { StampAccounts } from './stamp-accounts.js';
import { TopicNumbers } from './topic-numbers.js';

export class Receipts {
  readonly tallies: readonly Tally[] = ROW_NAMES.map(noTally);
  /** Connections that have received a message, without the subscribers to everything. */
  reached = 0;
  readonly #share: Share;
  readonly #latencies = ROW_NAMES.map(() => new LatencyHistogram());
  readonly #accounts: StampAccounts;
  /** By connection, of the subscribers to everything. */
  readonly #everything = new Map<number, StampAccounts>();
  readonly #streams: TopicNumbers;
  readonly #reached: Uint8Array;
  #aheadUs = 0;
  readonly #stamp: Stamp = { publisher: 0, seq: 0, dueAtUs: 0 };

  constructor(share: Share) {
    const connections = connectionsOf(share);
    this.#share = share;
    this.#accounts = new StampAccounts(connections);
    this.#reached = new Uint8Array(connections);
    this.#streams = new TopicNumbers(share.mqtt.devices);
    for (let connection = 0; connection < connections; connection++) {
      if (this.#placeOf(connection).role !== 'everything') break;
      this.#everything.set(connection, new StampAccounts(this.#streams.limit));
    }
  }

  /** Of the stamps that were accounted for. */
  get publishers(): number[] {
    const accounts = [this.#accounts, ...this.#everything.values()];
    return [...new Set(accounts.flatMap(({ publishers }) => [...publishers]))];
  }

  /** @returns the latencies since the last call, a row each */
  takeLatencies(): LatencyCounts[] {
    return this.#latencies.map((histogram) => {
      const counts = histogram.toCounts();
      histogram.reset();
      return counts;
    });
  }

  record(
    connection: number,
    bytes: Buffer,
    start: number,
    end: number,
    publication: Publication | undefined,
    loggedInUs: number,
    nowUs: number,
  ): void {
    const everything = this.#everything.size > 0 ? this.#everything.get(connection) : undefined;
    const row = everything === undefined ? (publication?.qos ?? 0) : EVERYTHING_ROW;
    const tally = this.tallies[row]!;
    tally.messages++;
    if (everything === undefined && this.#reached[connection] === 0) {
      this.#reached[connection] = 1;
      this.reached++;
    }
    if (publication?.retain === true) {
      tally.retained++;
      return;
    }
    if (!readStamp(bytes, start, end, this.#stamp)) return;
    tally.stamped++;
    const latencyUs = nowUs - this.#stamp.dueAtUs;
    this.#latencies[row]!.record(latencyUs);
    if (-latencyUs > this.#aheadUs) this.#setAhead(-latencyUs);
    const dup = publication?.dup === true;
    if (everything === undefined) {
      this.#accounts.record(tally, connection, this.#stamp, dup, loggedInUs);
    } else {
      const stream = this.#streams.numberOf(bytes, publication!.topicStart, publication!.topicEnd);
      if (stream === undefined) tally.unaccounted++;
      else everything.record(tally, stream, this.#stamp, dup, loggedInUs);
    }
  }

  /** The connection has logged in with a new session. */
  restart(connection: number): void {
    this.#accounts.restart(connection);
  }

  /** All devices have stopped at these seqs: messages that have not arrived are lost. */
  settle(connection: number, published: PublishedSeqs[], loggedInUs: number): void {
    const place = this.#placeOf(connection);
    if (place.role === 'everything') this.#settleEverything(connection, place, published, loggedInUs);
    if (place.role !== 'subscriber') return;
    const device = place.number % this.#share.ids;
    const tally = this.tallies[qosByShares(this.#share.mqtt.qosShares, device)]!;
    for (const { publisher, seqs } of published) {
      const lastSeq = seqs[device] ?? 0;
      if (lastSeq > 0) this.#accounts.settle(tally, connection, publisher, lastSeq, loggedInUs);
    }
  }

  /** A message reaches a connection at another gateway only when the two gateways are connected. */
  #settleEverything(
    connection: number,
    place: Assignment,
    published: PublishedSeqs[],
    loggedInUs: number,
  ): void {
    const accounts = this.#everything.get(connection)!;
    const tally = this.tallies[EVERYTHING_ROW]!;
    const gateway = gatewayOf(this.#share, place.role, place.number);
    for (const { publisher, seqs } of published) {
      for (let device = 0; device < seqs.length; device++) {
        const lastSeq = seqs[device]!;
        const isHere = gatewayOf(this.#share, 'device', device) === gateway;
        if (lastSeq === 0 || (!isHere && accounts.highest(publisher, device) === 0)) continue;
        accounts.settle(tally, device, publisher, lastSeq, loggedInUs);
      }
    }
  }

  /** A message arrived before it was due: the publisher's clock is ahead of ours by at least this difference. */
  #setAhead(us: number): void {
    this.#aheadUs = us;
    this.#accounts.aheadUs = us;
    for (const accounts of this.#everything.values()) accounts.aheadUs = us;
  }

  #placeOf(connection: number): Assignment {
    return assignmentOf(this.#share, numberOf(this.#share, connection));
  }
}
