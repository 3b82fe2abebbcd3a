import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { EngineError } from './complaints.js';

/** A connection to Redis, as far as this needs one. */
export interface RedisCaller {
  call(command: string, ...args: (string | number | Buffer)[]): Promise<unknown>;
}

/** Redis allows these in names of libraries and functions, and `<name>:` is the beginning of every key. */
const nameShape = /^[A-Za-z][A-Za-z0-9_]{0,31}$/;
/** In this order: each uses what is declared in those before. */
const files = ['places', 'channels', 'message', 'batch', 'read', 'register'] as const;

/**
 * The functions that nodes call: their source lies beside this file, in Lua. Name of library and functions carry a digest
 * of it, so that two versions of nodes run side by side.
 */
export class Library {
  /** Of the cluster, `--name`. */
  readonly name: string;
  /** `encke_0a1b2c3d_`: functions are called this and their name. */
  readonly prefix: string;
  readonly #source: string;

  /** @throws EngineError for a name that Redis would not take */
  constructor(name: string) {
    if (!nameShape.test(name)) {
      throw new EngineError(
        `The name of a cluster is 1 to 32 letters, digits and _ and begins with a letter, as Redis allows no other in the name of a function. Got ${JSON.stringify(name.slice(0, 80))}.`,
      );
    }
    this.name = name;
    const source = sourceOf(files).replaceAll('@name@', name);
    const digest = createHash('sha256').update(source).digest('hex').slice(0, 8);
    this.prefix = `${name}_${digest}_`;
    const library = `${name}_${digest}`;
    this.#source = `#!lua name=${library}\n${source.replaceAll('@prefix@', this.prefix)}`;
  }

  /** On each connection that calls functions: a server that came back empty has none. @throws EngineError */
  async load(redis: RedisCaller): Promise<void> {
    try {
      await redis.call('FUNCTION', 'LOAD', this.#source);
    } catch (error) {
      if (/already exists/.test((error as Error).message)) return;
      throw error;
    }
  }
}

function sourceOf(names: readonly string[]): string {
  return names.map((name) => readFileSync(new URL(`${name}.lua`, import.meta.url), 'utf8')).join('\n');
}
