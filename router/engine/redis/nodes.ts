import type { AnswerQuestion, Answers, Cluster, ClusterNode } from '../cluster.js';
import { Asks, named, nameIn, numberBytes } from './asks.js';
import { aboutIn, type NodeAbout, nodeOf, type PeerNode } from './node-about.js';
import type { Argument, Shard } from './shard.js';

/** A word is a letter, the run of the node that it comes from in 16 hex digits, and what that node says. */
type Letter = 'J' | 'Q' | 'R' | 'W' | 'K' | 'N' | 'O' | 'M' | 'S' | 'D' | 'P' | 'G';
const headBytes = 1 + 16;
/** The list of nodes is asked for no more often. */
const refreshMsMin = 500;
/** Where Redis came back with nothing: so long the other nodes have to say that they are there. */
const graceMs = 4_000;
/** Words of nodes that are not in the list yet, and wait until it is read. */
const heldWordsMax = 1_000;

export interface NodesParts {
  /** Of the cluster. */
  readonly name: string;
  readonly run: string;
  readonly node: Omit<NodeAbout, 'startedMs'>;
  readonly shards: readonly Shard[];
}

/** @param from run of the node that says it @param shard by which server it came */
type OnWord = (from: string, body: Buffer, shard: number) => void;

/**
 * The nodes of the cluster, and what they say to each other. The first server has the list of them, with a version that
 * each node hears once a second: it asks what has changed since, so that nobody is told anything twice. See nodes.lua.
 */
export class Nodes implements Cluster {
  readonly self: ClusterNode;
  readonly run: string;
  readonly #parts: NodesParts;
  readonly #list: Shard;
  readonly #about: NodeAbout;
  #stopping = false;
  readonly #byRun = new Map<string, PeerNode>();
  #peers: readonly PeerNode[] = [];
  readonly #asks = new Asks();
  readonly #questions = new Map<string, AnswerQuestion>();
  readonly #words = new Map<string, OnWord>();
  readonly #gone: ((node: ClusterNode, run: string) => void)[] = [];
  #version = 0;
  /** As Redis has said last. */
  #listVersion = 0;
  #refreshing: Promise<void> | undefined;
  #refreshNext: Promise<void> | undefined;
  #refreshedMs = 0;
  #graceEndMs = 0;
  #held = 0;
  #joined = false;
  /** This node is in the list again, or for the first time. The others may have thought that it was gone. */
  onListed: () => void = () => {};

  constructor(parts: NodesParts) {
    this.#parts = parts;
    this.run = parts.run;
    this.#about = { ...parts.node, startedMs: Date.now() };
    this.self = nodeOf(parts.run, this.#about);
    this.#list = parts.shards[0]!;
    this.#list.onPulse((version) => {
      this.#listVersion = version;
    });
    this.#list.onBack((sameRun) => {
      if (!sameRun) this.#graceEndMs = performance.now() + graceMs;
      if (this.#joined) void this.#refresh();
    });
    this.on('J', () => this.#joined && void this.#refresh());
    this.on('Q', (from, body) => this.#known(from, (node) => this.#answer(node, from, body)));
    this.on('R', (from, body) => this.#hearAnswer(from, body));
  }

  get peers(): readonly ClusterNode[] {
    return this.#peers;
  }

  /** Names of the others that keep history by other rules than this one. */
  get withOtherRules(): readonly string[] {
    return this.#peers.flatMap(({ name, rules }) => (rules === this.#about.rules ? [] : [name]));
  }

  /** Runs of the others that hold connections and stay. */
  get hosts(): readonly string[] {
    return [...this.#byRun].flatMap(([run, { stopping, role }]) =>
      stopping || role === 'router' ? [] : [run],
    );
  }

  isHere(run: string): boolean {
    return this.#byRun.has(run);
  }

  nameOf(run: string): string {
    return this.#byRun.get(run)?.name ?? run;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** From now on this node is one of the cluster, and knows the others; where the first server is away, once that is back. */
  async join(): Promise<void> {
    this.#joined = true;
    await this.#refresh();
  }

  /** The others are told that it goes soon. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#join().catch(() => {});
    await this.#refresh();
  }

  async leave(): Promise<void> {
    this.#joined = false;
    this.#asks.endAll();
    if (this.#list.open) await this.#list.call('leave', [this.run]).catch(() => {});
  }

  ask(question: string, body: Uint8Array, waitMs: number, onAnswers: (answers: Answers) => void): void {
    if (this.#peers.length === 0) return onAnswers({ answers: [], unanswered: 0 });
    const number = this.#asks.begin(this.#peers, waitMs, onAnswers);
    if (number === undefined) return;
    this.#publish(nodeChannel(this.#parts.name), this.word('Q', numberBytes(number), named(question, body)));
  }

  askOne(
    { run }: ClusterNode,
    question: string,
    body: Uint8Array,
    waitMs: number,
    onAnswer: (body: Uint8Array | undefined) => void,
  ): void {
    const entry = [...this.#byRun].find(([, peer]) => peer.run === run);
    if (entry === undefined) return onAnswer(undefined);
    const [hexRun, peer] = entry;
    const number = this.#asks.begin([peer], waitMs, ({ answers }) => onAnswer(answers[0]?.body));
    if (number === undefined) return;
    // If no server takes the question, its time runs out.
    this.tell(hexRun, 0, this.word('Q', numberBytes(number), named(question, body))).catch(() => {});
  }

  onQuestion(question: string, answer: AnswerQuestion): void {
    this.#questions.set(question, answer);
  }

  /** For <name>_stats. */
  report(numbers: string): void {
    if (this.#joined && this.#list.open) void this.#list.call('report', [this.run, numbers]).catch(() => {});
  }

  onGone(listener: (node: ClusterNode, run: string) => void): void {
    this.#gone.push(listener);
  }

  /** One listener a letter. */
  on(letter: Letter, listener: OnWord): void {
    this.#words.set(letter, listener);
  }

  word(letter: Letter, ...parts: (string | Uint8Array)[]): Buffer {
    const bytes = parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
    return Buffer.concat([Buffer.from(letter + this.run), ...bytes]);
  }

  /** @returns whether that node is there to hear it, as far as the server knows @throws ShardError */
  async tell(run: string, shard: number, word: Buffer): Promise<boolean> {
    const channel = nodeChannel(this.#parts.name, run);
    return (await this.#parts.shards[shard]!.use((redis) => redis.publish(channel, word))) > 0;
  }

  /** Takes a word from a channel of nodes. */
  hear(payload: Buffer, shard: number): void {
    if (payload.length < headBytes) return;
    const from = payload.toString('latin1', 1, headBytes);
    const letter = String.fromCharCode(payload[0]!);
    if (from === this.run && letter !== 'M') return;
    this.#words.get(letter)?.(from, payload.subarray(headBytes), shard);
  }

  tick(nowMs: number): void {
    if (!this.#joined || !this.#list.usable || nowMs - this.#refreshedMs < refreshMsMin) return;
    if (this.#isGraceOver(nowMs) || this.#listVersion !== this.#version) void this.#refresh();
  }

  #isGraceOver(nowMs: number): boolean {
    return this.#graceEndMs !== 0 && nowMs > this.#graceEndMs;
  }

  /** Publishes by any server that is usable. */
  #publish(channel: string, word: Buffer): void {
    const shard = this.#parts.shards.find(({ usable }) => usable);
    shard?.publishRaw(channel, word);
  }

  async #join(): Promise<void> {
    const about: NodeAbout = this.#stopping ? { ...this.#about, stopping: true } : this.#about;
    await this.#list.call('join', [this.run, JSON.stringify(about)]);
  }

  /** One at a time; resolves when one that has begun after the call has ended. */
  #refresh(): Promise<void> {
    if (this.#refreshing === undefined) {
      this.#refreshing = this.#read()
        .catch(() => {})
        .finally(() => {
          this.#refreshing = undefined;
        });
      return this.#refreshing;
    }
    this.#refreshNext ??= this.#refreshing.then(() => {
      this.#refreshNext = undefined;
      return this.#refresh();
    });
    return this.#refreshNext;
  }

  async #read(): Promise<void> {
    const nowMs = performance.now();
    this.#refreshedMs = nowMs;
    const graceIsOver = this.#isGraceOver(nowMs);
    const args: Argument[] = [this.run, graceIsOver ? -1 : this.#version];
    const reply = (await this.#list.call('changes', args)) as [number, number, number, ...string[]];
    const [version, all, isListed, ...changes] = reply;
    if (graceIsOver) this.#graceEndMs = 0;
    if (isListed === 0 && this.#joined) {
      await this.#join(); // it was silent for too long, or the list is a new one
      this.onListed();
    }
    const listed = new Set<string>();
    for (let at = 0; at < changes.length; at += 2) {
      const [run, text] = [changes[at]!, changes[at + 1]!];
      listed.add(run);
      if (run === this.run) continue;
      const about = aboutIn(text);
      if (about === undefined) this.#remove(run);
      else this.#byRun.set(run, nodeOf(run, about));
    }
    if (all === 1 && this.#graceEndMs === 0)
      for (const run of [...this.#byRun.keys()]) if (!listed.has(run)) this.#remove(run);
    this.#version = version;
    this.#peers = [...this.#byRun.values()];
  }

  #remove(run: string): void {
    const peer = this.#byRun.get(run);
    if (peer === undefined) return;
    this.#byRun.delete(run);
    this.#peers = this.#peers.filter((node) => node !== peer);
    this.#asks.gone(peer.run);
    for (const listener of this.#gone) listener(peer, run);
  }

  /** One that has just come may say something before this node has heard of it. */
  #known(run: string, then: (node: ClusterNode) => void): void {
    const known = this.#byRun.get(run);
    if (known !== undefined) return then(known);
    if (this.#held >= heldWordsMax) return;
    this.#held++;
    void this.#refresh().then(() => {
      this.#held--;
      const found = this.#byRun.get(run);
      if (found !== undefined) then(found);
    });
  }

  #answer(node: ClusterNode, run: string, body: Buffer): void {
    if (body.length < 4) return;
    const [question, asked] = nameIn(body.subarray(4));
    const number = Buffer.from(body.subarray(0, 4)); // the body is not kept
    // Also where nobody here knows the question: this node is not waited for.
    const answer = this.#questions.get(question)?.(asked, node) ?? new Uint8Array(0);
    const send = (bytes: Uint8Array) =>
      this.#publish(nodeChannel(this.#parts.name, run), this.word('R', number, bytes));
    if (answer instanceof Promise) void answer.then(send);
    else send(answer);
  }

  #hearAnswer(run: string, body: Buffer): void {
    const peer = this.#byRun.get(run);
    if (peer === undefined || body.length < 4) return;
    this.#asks.answered(body.readUInt32BE(0), { from: peer, body: body.subarray(4) });
  }
}

/** @param run of the node whose channel it is; undefined = the channel of all nodes */
export function nodeChannel(name: string, run?: string): string {
  return run === undefined ? `${name}:n` : `${name}:n:${run}`;
}
