import { randomInt } from 'node:crypto';
import type { Msg } from '@nats-io/transport-node';
import { Asks } from '../asks.js';
import type { Answer, Answers, Cluster, ClusterNode, NameRequest, NodeRole } from '../cluster.js';
import { type Link, receiver } from './link.js';
import { Peers, type PeerWord } from './peers.js';
import { beatMs } from './pulse.js';
import { idOfSubject } from './subject.js';

/** Who this node is. */
export interface NodeIdentity {
  name: string;
  group: string;
  role: NodeRole;
}

/** Before the body of all that is said and answered: the run of who says it. */
const runBytes = 6;

/**
 * The nodes of one cluster on NATS, by subjects under its name:
 *
 *     <name>.node                   who is there: hello, alive now and then, bye
 *     <name>.say.<topic>            announcements to all
 *     <name>.ask.<question>         questions to all; the reply subject is <name>.answer.<run>.<number>
 *     <name>.<subject>[.<topic>]    requests of any program, each answered by one of the nodes that serve it
 */
export class Gathering implements Cluster {
  readonly self: ClusterNode;
  readonly #link: Link;
  readonly #name: string;
  readonly #peers: Peers;
  readonly #asks = new Asks();
  readonly #announcements = new Map<string, (body: Uint8Array, from: ClusterNode) => void>();
  readonly #questions = new Map<string, (body: Uint8Array, from: ClusterNode) => Uint8Array>();
  readonly #served = new Map<string, (request: NameRequest) => void>();
  readonly #goneListeners: ((node: ClusterNode) => void)[] = [];
  #beat: NodeJS.Timeout | undefined;
  /** That this node is there. */
  #saidMs = 0;

  constructor(link: Link, name: string, { name: nodeName, group, role }: NodeIdentity) {
    this.#link = link;
    this.#name = name;
    this.self = { run: randomInt(1, 2 ** 48 - 1), name: nodeName, group, role, startedMs: Date.now() };
    this.#peers = new Peers(this.self, (node) => this.#lose(node));
  }

  get peers(): readonly ClusterNode[] {
    return this.#peers.list;
  }

  /** The largest body that an answer may have, bytes. */
  get answerBytesMax(): number {
    return this.#link.payloadBytesMax - runBytes;
  }

  /** Asked in vain, with somebody missing at the end of the wait. */
  get asksTimedOut(): number {
    return this.#asks.timedOut;
  }

  /** The link is open. Resolves when this node hears the others, and they have been told of it. */
  async start(): Promise<void> {
    const { run } = this.self;
    this.#link.subscribe(
      `${this.#name}.node`,
      receiver((message) => this.#hear(message)),
    );
    this.#link.subscribe(
      `${this.#name}.say.*`,
      receiver((message) => this.#hearAnnouncement(message)),
    );
    this.#link.subscribe(
      `${this.#name}.ask.*`,
      receiver((message) => this.#hearQuestion(message)),
    );
    this.#link.subscribe(
      `${this.#name}.answer.${run}.*`,
      receiver((message) => this.#hearAnswer(message)),
    );
    for (const subject of this.#served.keys()) this.#subscribeServed(subject);
    this.#say('hello');
    await this.#link.flush();
    this.#beat = setInterval(() => this.#tick(), beatMs);
  }

  /** Says bye, and that at once: nobody waits for an answer of this node any more. */
  stop(): void {
    clearInterval(this.#beat);
    this.#say('bye');
    this.#asks.endAll();
  }

  /** The link was lost and is back: others may think that this node has gone, and the other way round. */
  rejoin(): void {
    this.#peers.forgiveSilence(performance.now());
    this.#say('hello');
  }

  announce(topic: string, body: Uint8Array): void {
    this.#link.publish(`${this.#name}.say.${topic}`, this.#signed(body));
  }

  onAnnouncement(topic: string, listener: (body: Uint8Array, from: ClusterNode) => void): void {
    this.#announcements.set(topic, listener);
  }

  ask(
    question: string,
    body: Uint8Array,
    waitMs: number,
    onAnswers: (answers: Answers) => void,
    onAnswer?: (answer: Answer) => void,
  ): void {
    const { list } = this.#peers;
    if (list.length === 0) return onAnswers({ answers: [], unanswered: 0 });
    if (!this.#link.carries) return onAnswers({ answers: [], unanswered: list.length });
    const number = this.#asks.begin(list, waitMs, onAnswers, onAnswer);
    if (number === undefined) return;
    const reply = `${this.#name}.answer.${this.self.run}.${number}`;
    this.#link.publish(`${this.#name}.ask.${question}`, this.#signed(body), reply);
  }

  onQuestion(question: string, answer: (body: Uint8Array, from: ClusterNode) => Uint8Array): void {
    this.#questions.set(question, answer);
  }

  serve(subject: string, answer: (request: NameRequest) => void): void {
    this.#served.set(subject, answer);
    if (this.#beat !== undefined) this.#subscribeServed(subject);
  }

  onGone(listener: (node: ClusterNode) => void): void {
    this.#goneListeners.push(listener);
  }

  #tick(): void {
    const nowMs = performance.now();
    const stoodStill = this.#link.beat(nowMs);
    if (stoodStill || !this.#link.connected) this.#peers.forgiveSilence(nowMs);
    this.#peers.tick(nowMs);
    if (nowMs - this.#saidMs > this.#peers.aliveMs - beatMs / 2) this.#say('alive');
  }

  #say(word: PeerWord): void {
    this.#saidMs = performance.now();
    if (this.#link.connected) this.#link.publish(`${this.#name}.node`, this.#peers.encode(word));
  }

  #hear({ data }: Msg): void {
    if (this.#peers.hear(data, performance.now()) === 'hello') this.#say('alive');
  }

  #lose(node: ClusterNode): void {
    this.#asks.gone(node.run);
    for (const listener of this.#goneListeners) listener(node);
  }

  #signed(body: Uint8Array): Uint8Array {
    const bytes = Buffer.allocUnsafe(runBytes + body.length);
    bytes.writeUIntBE(this.self.run, 0, runBytes);
    bytes.set(body, runBytes);
    return bytes;
  }

  /** @returns undefined where nobody known has signed */
  #signerOf(data: Uint8Array): ClusterNode | undefined {
    if (data.length < runBytes) return undefined;
    return this.#peers.get(Buffer.from(data.buffer, data.byteOffset, runBytes).readUIntBE(0, runBytes));
  }

  #hearAnnouncement({ subject, data }: Msg): void {
    const from = this.#signerOf(data);
    if (from !== undefined) this.#announcements.get(lastToken(subject))?.(data.subarray(runBytes), from);
  }

  #hearQuestion({ subject, reply, data }: Msg): void {
    const from = this.#signerOf(data);
    if (from === undefined || reply === undefined || reply === '') return;
    if (!this.#link.carries) return; // who answers may forget what it has told
    const answer = this.#questions.get(lastToken(subject))?.(data.subarray(runBytes), from);
    this.#link.publish(reply, this.#signed(answer ?? new Uint8Array(0)));
  }

  #hearAnswer({ subject, data }: Msg): void {
    const from = this.#signerOf(data);
    if (from === undefined) return;
    // A copy: the answers are kept until the last has come, and `data` is a view of what was read from the socket.
    this.#asks.answered(Number(lastToken(subject)), { from, body: Uint8Array.from(data.subarray(runBytes)) });
  }

  #subscribeServed(subject: string): void {
    const prefix = `${this.#name}.${subject}`;
    const onRequest = receiver((message) => this.#answerRequest(message, prefix.length + 1));
    this.#link.subscribe(prefix, onRequest, 'router');
    this.#link.subscribe(`${prefix}.>`, onRequest, 'router');
  }

  #answerRequest(message: Msg, topicAt: number): void {
    const { subject, reply, data } = message;
    const served = this.#served.get(subject.slice(this.#name.length + 1).split('.', 1)[0]!);
    const respond = (body: string) => {
      if (reply) this.#link.publish(reply, this.#fitting(body));
    };
    let topic: string;
    try {
      topic = idOfSubject(subject.slice(topicAt));
    } catch {
      return respond(JSON.stringify({ error: 'The subject has a % that is no percent-encoding.' }));
    }
    served?.({ topic, body: Uint8Array.from(data), respond });
  }

  /** The client throws at what the server would not take. */
  #fitting(body: string): Uint8Array {
    const bytes = Buffer.from(body);
    const { payloadBytesMax } = this.#link;
    if (bytes.length <= payloadBytesMax) return bytes;
    const error = `The answer has ${bytes.length} bytes, and NATS takes ${payloadBytesMax}: raise max_payload in the server's configuration.`;
    return Buffer.from(JSON.stringify({ error }));
  }
}

function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}
