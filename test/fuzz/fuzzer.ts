import { SeededRandom } from '../seeded-random.js';
import { type Case, nextCase } from './cases.js';
import { FuzzConnection, type Outcome } from './fuzz-connection.js';
import { Speaker } from './speaker.js';
import type { Tally } from './tally.js';

export interface FuzzOptions {
  port: number;
  seed: number;
  /** Connections at a time. */
  lanes: number;
  tally: Tally;
  onCase?: (made: Case, outcome: Outcome) => void;
}

/** Cases on one connection, if it lives. */
const casesPerConnectionMax = 60;

/** Reasons that may end a connection without a fault of its own: shared client ids, leftovers of earlier cases. */
const excuses = ['taken-over', 'keep-alive-timeout', 'too-many-awaiting-rel'];

/**
 * Plays cases on many connections at a time. What a connection does is a function of the seed, its number and the
 * server's answers, whatever the others do.
 */
export class Fuzzer {
  readonly #options: FuzzOptions;
  readonly #open = new Set<FuzzConnection>();
  /** The number of the next connection. */
  #next = 0;

  constructor(options: FuzzOptions) {
    this.#options = options;
  }

  /** Plays until this says stop. */
  async run(more: () => boolean): Promise<void> {
    const lane = async () => {
      while (more()) await this.#connection(this.#next++, more);
    };
    await this.#clocked(Promise.all(Array.from({ length: this.#options.lanes }, lane)));
  }

  /** Plays the cases of one connection. */
  async replay(number: number): Promise<void> {
    await this.#clocked(this.#connection(number, () => true));
  }

  async #clocked(playing: Promise<unknown>): Promise<void> {
    const clock = setInterval(() => {
      const nowMs = performance.now();
      for (const connection of this.#open) connection.tick(nowMs);
    }, 20);
    await playing;
    clearInterval(clock);
  }

  async #connection(number: number, more: () => boolean): Promise<void> {
    const { port, seed, tally } = this.#options;
    const random = new SeededRandom(mixed(seed, number));
    const speaker = new Speaker(random, number);
    const connection = new FuzzConnection(port, random, speaker);
    tally.connections++;
    this.#open.add(connection);
    const opened = await connection.open();
    if (opened === 'alive') await this.#play(number, random, speaker, connection, more);
    else tally.problem(`connection ${number}: ${opened} at the upgrade; ${connection.problem ?? ''}`);
    connection.reset();
    this.#open.delete(connection);
  }

  async #play(
    number: number,
    random: SeededRandom,
    speaker: Speaker,
    connection: FuzzConnection,
    more: () => boolean,
  ): Promise<void> {
    const { tally, onCase } = this.#options;
    const last = 1 + random.below(casesPerConnectionMax);
    for (let n = 1; n <= last && more(); n++) {
      const { connected, sent } = connection;
      const made = nextCase({ random, speaker, connected, inStep: sent.atBoundary });
      const outcome = await connection.play(made);
      tally.count(made.kind, outcome);
      tally.writes += made.writes.length;
      for (const write of made.writes) tally.bytes += write.length;
      onCase?.(made, outcome);
      const wrong = whatIsWrong(made, outcome, connection);
      if (wrong !== undefined)
        tally.problem(`connection ${number}, case ${n}, ${made.kind}: ${wrong}; ${bytesOf(made)}`);
      if (outcome !== 'alive') return;
    }
  }
}

/** Seeds that differ little give streams that have nothing to do with each other. */
function mixed(seed: number, number: number): number {
  let x = (seed ^ Math.imul(number + 1, 0x9e3779b1)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Codes that the server may close with, and that it repeats after a client. */
const ownCodes = new Set(['1000', '1001', '1002', '1003', '1008', '1009', '1013']);

function whatIsWrong(made: Case, outcome: Outcome, connection: FuzzConnection): string | undefined {
  if (connection.problem !== undefined) return `the server sent ${connection.problem}`;
  if (outcome === 'silent' && made.ending !== 'unsure') return 'neither an answer nor an end';
  const [, code, reason] = /^closed (\d+) ?(.*)$/.exec(outcome) ?? [];
  if (code !== undefined && made.ending === 'sync' && made.kind !== 'close frame' && !ownCodes.has(code))
    return `closed with ${code}`;
  if (made.replies === undefined) return undefined;
  if (outcome === 'cut') return 'cut, though it did nothing wrong';
  if (code !== undefined)
    return excuses.includes(reason!) ? undefined : `${outcome}, though it did nothing wrong`;
  const [wanted, got] = [made.replies.join(', '), connection.replies.join(', ')];
  return wanted === got ? undefined : `answered with [${got}] instead of [${wanted}]`;
}

function bytesOf(made: Case): string {
  const hex = Buffer.concat(made.writes).toString('hex');
  const mqtt = made.mqtt === undefined ? '' : ` mqtt ${made.mqtt.toString('hex').slice(0, 1000)}`;
  return `sent ${hex.slice(0, 1000)}${mqtt}`;
}
