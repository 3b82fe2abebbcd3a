import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { EngineError, missingRights, problemOfServer } from './errors.js';

/** A connection to Redis, as far as this needs one. */
interface RedisCaller {
  call(command: string, ...args: (string | number | Buffer)[]): Promise<unknown>;
}

/** Redis allows these in names of libraries and functions, and `<name>:` is the beginning of every key. */
const nameShape = /^[A-Za-z][A-Za-z0-9_]{0,31}$/;
/** In this order: each uses what is declared in those before. */
const sharedFiles = ['places', 'channels', 'message'];
const nodeFiles = [...sharedFiles, 'publish', 'graph', 'read', 'nodes', 'clients'];
const publicFiles = [...sharedFiles, 'send'];

/**
 * Of the functions that other programs call, `<name>_send` and so on: there is one library of them, and it is replaced by
 * newer ones only. Each change of what they do raises it; test/router/engine/redis/library.test.ts knows the source.
 */
export const publicVersion = 2;

/** Another node may be loading: after so long it is taken for dead. */
const loadingMs = 5_000;

/**
 * The functions on a Redis server: their source lies in functions/, in Lua. Those that nodes call have a digest of their
 * source in their names, so that two versions of nodes run side by side; those of a former version stay in Redis, 60 KB, unused.
 */
export class Library {
  /** Of the cluster, `--name`. */
  readonly name: string;
  /** `encke_0a1b2c3d_`: functions are called this and their name. */
  readonly prefix: string;
  readonly #version: number;
  readonly #source: string;
  readonly #publicSource: string;

  /** @throws EngineError for a name that Redis would not take */
  constructor(name: string, version = publicVersion) {
    if (!Library.takesName(name)) {
      throw new EngineError(
        `The name of a cluster is 1 to 32 letters, digits and _ and begins with a letter, as Redis allows no other in the name of a function. Got ${JSON.stringify(name.slice(0, 80))}.`,
      );
    }
    this.name = name;
    const source = sourceOf(nodeFiles).replaceAll('@name@', name);
    const library = `${name}_${digestOf(source)}`;
    this.prefix = `${library}_`;
    this.#source = `#!lua name=${library}\n${source.replaceAll('@prefix@', this.prefix)}`;
    const open = sourceOf(publicFiles).replaceAll('@name@', name).replaceAll('@version@', String(version));
    this.#publicSource = `#!lua name=${name}\n${open.replaceAll('@prefix@', `${name}_`)}`;
    this.#version = version;
  }

  static takesName(name: string): boolean {
    return nameShape.test(name);
  }

  /** `publicVersion` stands for this, whatever the name and the comments. */
  static get publicDigest(): string {
    return digestOf(sourceOf(publicFiles).replace(/^ *--.*\n/gm, ''));
  }

  /**
   * On each connection that calls functions: a server that came back empty has none.
   * @throws EngineError where the server is not fit, and what the server answers
   */
  async load(redis: RedisCaller): Promise<void> {
    const problem = problemOfServer(String(await redis.call('INFO')));
    if (problem !== undefined) throw new EngineError(problem);
    const rights = () => redis.call('FCALL', `${this.prefix}rights`, 0) as Promise<string[]>;
    const missing = await redis.call('FUNCTION', 'LOAD', this.#source).then(rights, (error: Error) => {
      if (/^ERR Library .* already exists/.test(error.message)) return rights();
      if (!error.message.startsWith('OOM')) throw error;
      return rights().catch(() => Promise.reject(error)); // it refuses also what it has
    });
    if (missing.length > 0) throw missingRights(missing, this.name);
    await this.#loadPublic(redis);
  }

  /** @param asBuffers for strings in the answer @throws Error as ioredis gives it, see shardErrorOf */
  call(
    redis: Redis,
    name: string,
    args: readonly (string | number | Buffer)[],
    asBuffers = false,
  ): Promise<unknown> {
    const call = ['FCALL', `${this.prefix}${name}`, '0', ...args] as const;
    return asBuffers ? redis.callBuffer(...call) : redis.call(...call);
  }

  /** Only forward, also where nodes of several versions start at the same time. */
  async #loadPublic(redis: RedisCaller): Promise<void> {
    const lock = `${this.name}:loading`;
    while ((await this.#loadedVersion(redis)) < this.#version) {
      const mine = await redis.call('SET', lock, this.#version, 'NX', 'PX', loadingMs);
      if (mine === null) {
        await pause(50);
        continue;
      }
      if ((await this.#loadedVersion(redis)) < this.#version) {
        await redis.call('FUNCTION', 'LOAD', 'REPLACE', this.#publicSource);
      }
      await redis.call('DEL', lock);
    }
  }

  async #loadedVersion(redis: RedisCaller): Promise<number> {
    try {
      return Number(await redis.call('FCALL', `${this.name}_version`, 0));
    } catch (error) {
      if (/Function not found/.test((error as Error).message)) return 0;
      throw error;
    }
  }
}

function sourceOf(names: readonly string[]): string {
  return names
    .map((name) => readFileSync(new URL(`functions/${name}.lua`, import.meta.url), 'utf8'))
    .join('\n');
}

function digestOf(source: string): string {
  return createHash('sha256').update(source).digest('hex').slice(0, 8);
}
