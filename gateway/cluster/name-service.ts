import { isUtf8 } from 'node:buffer';
import type { Cluster, NameRequest } from '../../router/engine/cluster.js';
import type { Outcome } from '../../router/engine/engine.js';
import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import { messageFromJson, parseJson, type SentMessage, tooLargeText } from '../http/message-object.js';
import { checkId, checkRecipient, type Parsed } from '../http/request.js';
import { failureOf } from '../http/send-failure.js';
import type { ClusterStats } from './cluster-stats.js';
import type { Whereabouts } from './whereabouts.js';

/** Requests that wait for other nodes. Any program on NATS may ask, and each that waits is 0.5 KB. */
export const namePendingMax = 10_000;

export interface NameServiceParts {
  readonly router: Router;
  readonly config: Config;
  readonly counters: Counters;
  readonly whereabouts: Whereabouts;
  readonly clusterStats: ClusterStats;
}

/**
 * The router under its global name: what any program on NATS may ask, one node answers.
 *
 *     <name>.send.<id>   the body is the message       {"delivered":N}
 *     <name>.send        {"id","data",…}               {"delivered":N}, or {"accepted":true} where nobody waits for it
 *     <name>.ids.<id>    or {"id"}                     who is logged in where
 *     <name>.stats                                     sums over all nodes, and each node's numbers
 *
 * What is wrong with a request is answered as {"error":"…"}.
 */
export class NameService {
  readonly #parts: NameServiceParts;
  #pending = 0;

  constructor(parts: NameServiceParts) {
    this.#parts = parts;
  }

  /** Once, before the engine is started. */
  bind(cluster: Cluster): void {
    cluster.serve('send', (request) => this.#send(request));
    cluster.serve('ids', (request) => this.#ids(request));
    cluster.serve('stats', (request) => this.#stats(request));
  }

  #send(request: NameRequest): void {
    this.#parts.counters.nameRequests++;
    const sent = this.#messageOf(request);
    if (!sent.ok) return this.#refuse(request, sent.problem);
    const { message, wait } = sent.value;
    const { router } = this.#parts;
    if (!this.#admit(request)) return;
    router.publish(message, wait ? 'count' : 'carried', (outcome) => {
      this.#pending--;
      const { delivered, unanswered } = outcome;
      if (!wait) this.#answer(request, outcome, { accepted: true });
      else this.#answer(request, outcome, unanswered === 0 ? { delivered } : { delivered, unanswered });
    });
  }

  #answer(request: NameRequest, outcome: Outcome, body: object): void {
    if (outcome.carried === 'yes') request.respond(JSON.stringify(body));
    else this.#refuse(request, failureOf(outcome).error, { delivered: outcome.delivered });
  }

  #ids(request: NameRequest): void {
    this.#parts.counters.nameRequests++;
    const id = this.#idOf(request);
    if (!id.ok) return this.#refuse(request, id.problem);
    if (!this.#admit(request)) return;
    this.#parts.whereabouts.find(id.value, (found) => {
      this.#pending--;
      request.respond(JSON.stringify(found));
    });
  }

  #stats(request: NameRequest): void {
    this.#parts.counters.nameRequests++;
    if (!this.#admit(request)) return;
    this.#parts.clusterStats.ofAll((stats) => {
      this.#pending--;
      request.respond(JSON.stringify(stats));
    });
  }

  /** QoS 1, as with the HTTP API. */
  #messageOf({ topic, body }: NameRequest): Parsed<SentMessage> {
    const { config } = this.#parts;
    if (topic === '') {
      if (!isUtf8(body)) return problem('This body is not UTF-8.');
      return messageFromJson(Buffer.from(body).toString(), 'body', config);
    }
    const id = checkRecipient(topic, config);
    if (!id.ok) return id;
    if (body.length > config.messageBytesMax) return problem(tooLargeText(config));
    return { ok: true, value: { message: new Message(id.value, body, Date.now(), 1, false), wait: true } };
  }

  #idOf({ topic, body }: NameRequest): Parsed<string> {
    const { config } = this.#parts;
    if (topic !== '') return checkId(topic, config);
    const id = idIn(body);
    return id === undefined ? problem('Say which id: in the subject, or as {"id"}.') : checkId(id, config);
  }

  /** @returns false when too many wait already, which has been answered */
  #admit(request: NameRequest): boolean {
    if (this.#pending >= namePendingMax) {
      this.#refuse(request, 'Too many requests wait for other nodes: this one was not carried out.');
      return false;
    }
    this.#pending++;
    return true;
  }

  #refuse(request: NameRequest, error: string, besides: object = {}): void {
    this.#parts.counters.nameErrors++;
    request.respond(JSON.stringify({ ...besides, error }));
  }
}

function idIn(body: Uint8Array): string | undefined {
  try {
    const { id } = parseJson(Buffer.from(body).toString()) as { id?: unknown };
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}

function problem(text: string): Parsed<never> {
  return { ok: false, problem: text };
}
