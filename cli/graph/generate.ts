import { Random } from '../../msggen/random.js';
import { codeOf } from '../error-code.js';
import { ProgressBar } from '../progress-bar.js';
import { LineOutput } from './line-output.js';

/** Writes the edges of a scale-free graph, see `scaleFreeEdges`. */
export async function generateGraph(file: string, users: number, edges: number, seed: number): Promise<void> {
  let written = 0;
  let user = 0;
  const bar = new ProgressBar('edges', () => ({ done: written, share: user / users }));
  try {
    const output = new LineOutput(file);
    for (const [subscriber, subscribee] of scaleFreeEdges(users, edges, seed)) {
      const wait = output.line(`${subscriber} ${subscribee}`);
      if (wait !== undefined) await wait;
      written++;
      user = subscriber;
    }
    await output.end();
    bar.stop();
    process.stderr.write(`${written.toLocaleString('en')} edges of ${users.toLocaleString('en')} ids\n`);
  } catch (error) {
    bar.stop();
    process.stderr.write(`encke graph: ${file} cannot be written (${codeOf(error)}).\n`);
    process.exitCode = 1;
  }
}

/**
 * The model of Barabási and Albert (1999): each new id follows `edges` others that are there already, each of them chosen
 * with a probability that grows with the edges that it has. So the number of followers has a power law.
 */
export function* scaleFreeEdges(
  users: number,
  edges: number,
  seed: number,
): Generator<[subscriber: number, subscribee: number]> {
  const random = new Random(seed);
  // An id stands here once, and once more for each end of an edge that it is: a random place is the choice of the model.
  const ends = new Uint32Array(users + 2 * users * edges);
  let length = 0;
  const chosen = new Set<number>();
  for (let id = 1; id <= users; id++) {
    const others = Math.min(edges, id - 1);
    chosen.clear();
    while (chosen.size < others) chosen.add(ends[random.below(length)]!);
    ends[length++] = id;
    for (const other of chosen) {
      ends[length++] = id;
      ends[length++] = other;
      yield [id, other];
    }
  }
}
