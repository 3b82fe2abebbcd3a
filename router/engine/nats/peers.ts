import type { ClusterNode, NodeRole } from '../cluster.js';

/**
 * How often a node says that it is there: once a second, and rarer where there are many, so that none has to hear more
 * than 10 a second. 54 nodes that said it once a second took two thirds of a core, as each word wakes 53 processes.
 */
const aliveMsMin = 1_000;
const aliveMsPerPeer = 100;
/** Taken for gone after a silence of so many times of that, as it said itself. */
const silencesMax = 3.5;
/** Whatever it says. */
const aliveMsMax = 60_000;
/** More than this cluster will ever have; a name that strangers use, too, does not fill the memory. */
const peersMax = 10_000;

export type PeerWord = 'hello' | 'alive' | 'bye';

/** The other nodes, by what they say of themselves. */
export class Peers {
  readonly self: ClusterNode;
  readonly #peers = new Map<number, { node: ClusterNode; heardMs: number; everyMs: number }>();
  readonly #onGone: (node: ClusterNode) => void;
  #list: readonly ClusterNode[] | undefined;

  constructor(self: ClusterNode, onGone: (node: ClusterNode) => void) {
    this.self = self;
    this.#onGone = onGone;
  }

  get list(): readonly ClusterNode[] {
    this.#list ??= [...this.#peers.values()].map(({ node }) => node);
    return this.#list;
  }

  get(run: number): ClusterNode | undefined {
    return this.#peers.get(run)?.node;
  }

  /** How often this node is to say that it is there. */
  get aliveMs(): number {
    return Math.min(aliveMsMax, Math.max(aliveMsMin, this.#peers.size * aliveMsPerPeer));
  }

  encode(word: PeerWord): Uint8Array {
    return Buffer.from(JSON.stringify({ word, everyMs: this.aliveMs, ...this.self }));
  }

  /** @returns what was said, where it can be read and is not this node's own */
  hear(data: Uint8Array, nowMs: number): PeerWord | undefined {
    const said = parse(data);
    if (said === undefined || said.node.run === this.self.run) return undefined;
    if (said.word === 'bye') this.#remove(said.node.run);
    else this.#keep(said.node, said.everyMs, nowMs);
    return said.word;
  }

  /** Takes those for gone that have been silent. */
  tick(nowMs: number): void {
    for (const [run, { heardMs, everyMs }] of this.#peers) {
      if (nowMs - heardMs > everyMs * silencesMax) this.#remove(run);
    }
  }

  /** Nobody's silence counts that nobody could have broken, as while this node itself was cut off or stood still. */
  forgiveSilence(nowMs: number): void {
    for (const peer of this.#peers.values()) peer.heardMs = nowMs;
  }

  #keep(node: ClusterNode, everyMs: number, heardMs: number): void {
    const known = this.#peers.get(node.run);
    if (known !== undefined) {
      known.heardMs = heardMs;
      known.everyMs = everyMs;
      return;
    }
    if (this.#peers.size >= peersMax) return;
    this.#peers.set(node.run, { node, heardMs, everyMs });
    this.#list = undefined;
  }

  #remove(run: number): void {
    const peer = this.#peers.get(run);
    if (peer === undefined) return;
    this.#peers.delete(run);
    this.#list = undefined;
    this.#onGone(peer.node);
  }
}

function parse(data: Uint8Array): { word: PeerWord; everyMs: number; node: ClusterNode } | undefined {
  try {
    const said = JSON.parse(Buffer.from(data).toString());
    const { word, run, name, group, role, startedMs, everyMs = aliveMsMin } = said;
    if (!['hello', 'alive', 'bye'].includes(word) || !isRole(role)) return undefined;
    if (!Number.isSafeInteger(run) || typeof name !== 'string' || typeof group !== 'string') return undefined;
    if (typeof startedMs !== 'number') return undefined;
    if (typeof everyMs !== 'number' || !(everyMs >= aliveMsMin && everyMs <= aliveMsMax)) return undefined;
    return { word, everyMs, node: { run, name, group, role, startedMs } };
  } catch {
    return undefined;
  }
}

function isRole(role: unknown): role is NodeRole {
  return role === 'both' || role === 'gateway' || role === 'router';
}
