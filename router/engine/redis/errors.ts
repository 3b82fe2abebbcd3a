import { connectionRemedyOf, withoutOpensslCode } from '../../../redis-access/remedy.js';

/** Redis cannot be reached, or refuses, or is not fit. The message says how to mend it. */
export class EngineError extends Error {
  readonly code = 'ERR_ENCKE_ENGINE';
  override readonly name = 'EngineError';
}

/** Why a call of a function has no answer: `away` = it was not called, or nobody knows; `late`, `superseded` = it did nothing; `refused` = so said the server. */
export class ShardError extends Error {
  readonly kind: 'away' | 'late' | 'superseded' | 'refused';

  constructor(kind: ShardError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

export function away(name: string): ShardError {
  return new ShardError('away', `Redis at ${name} is away.`);
}

/** An answer of the server says that it did nothing; any other error, that nobody knows. */
export function shardErrorOf(error: Error): ShardError {
  if (error instanceof ShardError) return error;
  const { name, message } = error;
  if (message.startsWith('LATE ')) return new ShardError('late', message);
  if (supersededShape.test(message)) return new ShardError('superseded', message);
  return new ShardError(name === 'ReplyError' ? 'refused' : 'away', message);
}

/** This connection is of no use any more: to begin again is; on what is the master by then, with the functions loaded. */
const supersededShape = /^(SUPERSEDED|READONLY|MASTERDOWN|LOADING) |Function not found/;

/** Of the same trouble an operator is told so often, ms. */
const complaintMs = 10_000;
/** Only other settings help. */
const misfitShape = /^(SHARD|FORMAT|WRONGPASS|NOAUTH|NOPERM) |^its? /; // it is too old, its user may not …

/** It is there, and says no. */
const refusalShape = /^(?!SUPERSEDED )[A-Z]{3,} |^its (user|maxmemory)/;

/** Why a server is not usable, as it or the system said last; and what an operator is told of it. */
export class Trouble {
  readonly #server: string;
  readonly #overTls: boolean;
  readonly #cluster: string;
  readonly #onComplaint: (sentence: string) => void;
  /** '' = there is none. */
  now = '';
  #told = '';
  #toldMs = 0;

  /** @param server, cluster for sentences */
  constructor(server: string, overTls: boolean, cluster: string, onComplaint: (sentence: string) => void) {
    this.#server = server;
    this.#overTls = overTls;
    this.#cluster = cluster;
    this.#onComplaint = onComplaint;
  }

  get sentence(): string {
    return this.sentenceOf(this.now);
  }

  /** The sentence, if the server answers and says why it cannot be used. */
  get refusal(): string | undefined {
    return refusalShape.test(this.now) ? this.sentence : undefined;
  }

  /** The sentence, if the trouble does not end by itself. */
  get misfit(): string | undefined {
    return misfitShape.test(this.now) ? this.sentence : undefined;
  }

  /** It could not be used once more. */
  fail(trouble: string): void {
    this.now = trouble;
    // To begin again mends it.
    if (trouble !== this.#told && !trouble.startsWith('SUPERSEDED ')) this.tell(trouble);
  }

  tell(trouble: string): void {
    const nowMs = performance.now();
    if (trouble === this.#told && nowMs - this.#toldMs < complaintMs) return;
    this.#told = trouble;
    this.#toldMs = nowMs;
    this.#onComplaint(this.sentenceOf(trouble));
  }

  end(): void {
    this.now = '';
    this.#told = '';
  }

  sentenceOf(trouble: string): string {
    const remedy = connectionRemedyOf(trouble, this.#overTls);
    const sentence = sentenceOf(withoutOpensslCode(trouble), this.#cluster);
    return `Redis at ${this.#server} cannot be used: ${sentence}${remedy === undefined ? '' : ` ${remedy}`}`;
  }
}

/** Told to publishers. */
export const outcomeTexts = {
  away: (server: string) => `Redis at ${server} is away: nobody got it. Send it again later.`,
  behind: (server: string) =>
    `Redis at ${server} is behind: it waited 5 s behind other messages, and nobody got it. Send it again later, and more slowly.`,
  refused: (server: string, message: string) =>
    `Redis at ${server} refuses: ${message.replace(/\.$/, '')}. Nobody got it.`,
  full: (server: string, bytesMax: number) =>
    `More than --redis-pending-bytes-max ${bytesMax} bytes wait for Redis at ${server}: nobody got it. Send it again later.`,
  notKept: (server: string) =>
    `Redis at ${server} could not keep it: nobody got it. Its log and this node's say why.`,
  brokenOff: (server: string) =>
    `Redis at ${server} broke off while it was sent: it is not known whether anybody got it. The log says why. Send it again with the same Idempotency-Key, or look before you do.`,
  unknown: (server: string) =>
    `Redis at ${server} did not answer in time: it is not known whether it was sent. Send it again with the same Idempotency-Key, or look before you do.`,
};

/** Rights of a node's user; docs/operations.md has the whole line. Nothing of it is dangerous by Redis's own list, but INFO. */
const nodeRights = '-@all +@read +@write +@pubsub +@connection -@dangerous +fcall +function|load +info +time';

const oldest = { redis: [7, 0], valkey: [7, 2] } as const;

/**
 * The reason why a server cannot be used, as a sentence that goes on from "Redis at … cannot be used:"; undefined where it is fit.
 * @param info answer of INFO
 */
export function problemOfServer(info: string): string | undefined {
  const of = (field: string) => fieldOf(info, field);
  const valkey = of('valkey_version');
  const product = valkey === undefined ? 'redis' : 'valkey';
  const version = valkey ?? of('redis_version') ?? '0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = oldest[product];
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    return `it is ${product === 'redis' ? 'Redis' : 'Valkey'} ${version}, and Encke needs Redis 7.0 or Valkey 7.2, for functions: install a newer one.`;
  }
  if (of('redis_mode') === 'cluster') {
    return 'it is a node of Redis Cluster, which Encke does not use: name plain Redis servers in --redis, several to spread the ids over them.';
  }
  const policy = of('maxmemory_policy');
  if (Number(of('maxmemory')) > 0 && policy !== undefined && policy !== 'noeviction') {
    return `its maxmemory-policy is ${policy}, by which history goes without a word when memory is full: set it to noeviction (CONFIG SET maxmemory-policy noeviction, and in redis.conf).`;
  }
  return undefined;
}

/**
 * The same for a server in use: its settings may have changed since, or its memory may be full.
 * @returns '' where all is well
 */
export function complaintOfServer(info: string): string {
  const of = (field: string) => Number.parseInt(fieldOf(info, field) ?? '0', 10);
  const isFull = of('maxmemory') > 0 && of('used_memory') >= of('maxmemory');
  return problemOfServer(info) ?? (isFull ? 'OOM' : '');
}

/** @param info answer of INFO */
function fieldOf(info: string, field: string): string | undefined {
  return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

type Remedy = (complaint: string, cluster: string) => string;

/** By the first word of what Redis, or one of the functions, answers. */
const remedies: Record<string, Remedy> = {
  NOAUTH: (said) => `${said}: give a user and password (--redis-user, --redis-password-file).`,
  WRONGPASS: (said) => `${said}: give the right user and password (--redis-user, --redis-password-file).`,
  NOPERM: (said, cluster) => `${said}. Give it what it needs: ${grant(cluster)}`,
  LOADING: () => 'it is loading its data. It is tried again.',
  BUSY: () =>
    'a script or function runs there for longer than busy-reply-threshold. It is tried again; see SLOWLOG GET, or end it with FUNCTION KILL.',
  OOM: () =>
    'its memory is full (maxmemory), so what would be kept is refused: raise maxmemory, or keep less history (--history-rules).',
  MISCONF: (said) => `it refuses to write: ${said}`,
  NOREPLICAS: () =>
    'it refuses to write, as fewer replicas are connected than min-replicas-to-write says: bring them back, or lower it.',
  MASTERDOWN: replica,
  READONLY: replica,
  MOVED: clustered,
  CROSSSLOT: clustered,
  CLUSTERDOWN: clustered,
  FORMAT: (said) =>
    `${said.slice('FORMAT '.length)}: run the version that wrote them, or delete the keys of this name, with the history in them.`,
  SHARD: (said, cluster) => {
    const [, index, count] = said.split(' ');
    return `it is server ${Number(index) + 1} of a list of ${count}, by what other nodes of ${cluster} have said, and for this node it is another: give all nodes the same servers in --redis, in the same order. To change the list, stop all nodes and delete the keys ${cluster}:* on each server; history goes with them.`;
  },
};

/** @param complaint what Redis answered @returns a sentence that goes on from "Redis at … cannot be used:" */
export function sentenceOf(complaint: string, cluster: string): string {
  const [word = ''] = complaint.split(' ');
  const remedy = remedies[word];
  if (remedy !== undefined) return remedy(complaint, cluster);
  if (/^ERR unknown command .?(FUNCTION|FCALL)/i.test(complaint)) {
    return 'it knows no functions, as it is too old or they were renamed: Encke needs Redis 7.0 or Valkey 7.2.';
  }
  if (/ACL failure|no permissions|user executing the script can't/i.test(complaint)) {
    return `its user may not do what Encke does there (${complaint}). Give it what it needs: ${grant(cluster)}`;
  }
  if (/Function [^ ]+ already exists/.test(complaint)) {
    return `${complaint}: another program has a library with such a function. Delete it (FUNCTION DELETE), or give this cluster another --name.`;
  }
  return complaint === '' ? 'it does not answer.' : `${complaint.replace(/\.$/, '')}.`;
}

/** @param missing commands, as ACL SETUSER takes them */
export function missingRights(missing: readonly string[], cluster: string): EngineError {
  return new EngineError(
    `its user may not do ${missing.join(' ')} on keys and channels ${cluster}:*. Give it what it needs: ${grant(cluster)}`,
  );
}

function grant(cluster: string): string {
  return `ACL SETUSER <user> ~${cluster}:* &${cluster}:* ${nodeRights}`;
}

function replica(complaint: string): string {
  return `${complaint.replace(/\.$/, '')}: it is a replica. Name the master in --redis, or Sentinels that know it.`;
}

function clustered(): string {
  return 'it is a node of Redis Cluster, which Encke does not use: name plain Redis servers in --redis.';
}
