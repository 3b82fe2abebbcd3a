import type { Cluster } from '../../router/engine/cluster.js';

/** A question of an operator to nodes. It goes through Redis as JSON. */
export interface Question {
  readonly about: string;
  /** The names of the nodes that the question is for; undefined = all nodes. */
  readonly nodes?: readonly string[] | undefined;
  readonly details?: unknown;
}

export interface NodeReplies<Reply> {
  /** The reply of each node, by the node's name. */
  readonly replies: ReadonlyMap<string, Reply>;
  /** The names of the nodes that did not answer. */
  readonly unanswered: readonly string[];
}

const word = 'admin';

/** Other nodes have at least so long to answer: an operator can wait, and a busy node may need it. */
const waitMsMin = 2_000;

/** Asks this node and all others, and answers them. */
export class NodeQuestions {
  readonly #cluster: Cluster | undefined;
  readonly #name: string;
  readonly #waitMs: number;
  readonly #answer: (question: Question) => unknown;

  /**
   * @param name the name of this node @param waitMs the longest wait for the answers of the others
   * @param answer answers for this node with JSON, or undefined where it has nothing to say; never throws
   */
  constructor(
    cluster: Cluster | undefined,
    name: string,
    waitMs: number,
    answer: (question: Question) => unknown,
  ) {
    this.#cluster = cluster;
    this.#name = name;
    this.#waitMs = Math.max(waitMs, waitMsMin);
    this.#answer = answer;
    cluster?.onQuestion(word, (body) => {
      const question = parsed(body) as Question | undefined;
      const reply = question === undefined ? undefined : this.#ownReply(question);
      return reply === undefined ? nothing : Buffer.from(JSON.stringify(reply));
    });
  }

  /** The names of all nodes, this one first. */
  get names(): readonly string[] {
    return [this.#name, ...(this.#cluster?.peers ?? []).map(({ name }) => name)];
  }

  /** Asks nodes, and waits for their replies. Never rejects. A node that has nothing to say is in neither list. */
  ask<Reply>(question: Question): Promise<NodeReplies<Reply>> {
    const own = this.#ownReply(question);
    const replies = new Map<string, Reply>();
    if (own !== undefined) replies.set(this.#name, own as Reply);
    const cluster = this.#cluster;
    const others = (cluster?.peers ?? []).filter(({ name }) => isFor(question, name));
    if (cluster === undefined || others.length === 0) return Promise.resolve({ replies, unanswered: [] });
    return new Promise((resolve) => {
      cluster.ask(word, Buffer.from(JSON.stringify(question)), this.#waitMs, ({ answers }) => {
        const silent = new Set(others.map(({ run }) => run));
        for (const { from, body } of answers) {
          silent.delete(from.run);
          const reply = parsed(body);
          if (reply !== undefined) replies.set(from.name, reply as Reply);
        }
        const unanswered = others.filter(({ run }) => silent.has(run)).map(({ name }) => name);
        resolve({ replies, unanswered });
      });
    });
  }

  #ownReply(question: Question): unknown {
    return isFor(question, this.#name) ? this.#answer(question) : undefined;
  }
}

const nothing = new Uint8Array(0);

function isFor({ nodes }: Question, name: string): boolean {
  return nodes === undefined || nodes.includes(name);
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    return undefined; // an empty answer: the node has nothing to say
  }
}
