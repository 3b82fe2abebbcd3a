import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { codeOf } from '../error-code.js';
import { ProgressBar, writeAboveBar } from '../progress-bar.js';
import { CallError } from '../server-connection.js';
import { type EdgeBatch, edgeBatches } from './edge-file.js';
import { GraphApi } from './graph-api.js';

/** The place that an import has come to: all edges before it are stored. */
interface ImportPlace {
  readonly url: string;
  /** The size of the file, which must be the same for the import to go on. */
  readonly size: number;
  readonly modifiedMs: number;
  readonly bytes: number;
  readonly lines: number;
}

const badNamedMax = 20;

export async function importGraph(
  file: string,
  url: URL,
  token: string | undefined,
  fromStart: boolean,
): Promise<void> {
  const totals = { added: 0, unchanged: 0, bad: 0 };
  const api = new GraphApi(url, token);
  let bar: ProgressBar | undefined;
  try {
    const { size, mtimeMs: modifiedMs } = statSync(file);
    const places = new ImportPlaces(file, { url: url.origin, size, modifiedMs });
    const start = fromStart ? undefined : places.read();
    const { bytes, lines } = start ?? { bytes: 0, lines: 0 };
    if (bytes > 0) say(`goes on at line ${lines + 1}, where the last import stopped`);
    let read = bytes;
    bar = new ProgressBar('edges', () => ({
      done: totals.added + totals.unchanged,
      share: size === 0 ? 1 : read / size,
      bad: totals.bad,
    }));
    for await (const batch of edgeBatches(file, bytes, lines)) {
      await addBatch(api, batch, totals);
      places.write(batch);
      read = batch.bytes;
      if (batch.cutLine === undefined) continue;
      say(`the last line has no end: if the file was cut, it is wrong: ${batch.cutLine.slice(0, 80)}`);
    }
    bar.stop();
    places.remove();
    process.stdout.write(`${JSON.stringify(totals)}\n`);
    if (totals.bad > 0) process.exitCode = 1;
  } catch (error) {
    bar?.stop();
    const why =
      error instanceof CallError
        ? `${error.message} Run it again, and it goes on behind what is stored.`
        : `${file} cannot be read (${codeOf(error)}).`;
    say(why);
    process.exitCode = 1;
  } finally {
    await api.close();
  }
}

async function addBatch(
  api: GraphApi,
  batch: EdgeBatch,
  totals: { added: number; unchanged: number; bad: number },
): Promise<void> {
  const name = (line: number, error: string) => {
    totals.bad++;
    if (totals.bad <= badNamedMax) say(`line ${line}: ${error}`);
    if (totals.bad === badNamedMax) say('more bad lines are only counted');
  };
  for (const line of batch.bad) name(line, 'not two ids.');
  if (batch.lineNumbers.length === 0) return;
  const answer = await api.change(batch.body);
  totals.added += answer.added;
  totals.unchanged += answer.unchanged;
  for (const { line, error } of answer.errors) name(batch.lineNumbers[line - 1]!, error);
  totals.bad += answer.bad - answer.errors.length;
}

/** Keeps the place of an import in a file beside the one that is imported. */
class ImportPlaces {
  readonly #path: string;
  readonly #of: Pick<ImportPlace, 'url' | 'size' | 'modifiedMs'>;

  constructor(file: string, of: Pick<ImportPlace, 'url' | 'size' | 'modifiedMs'>) {
    this.#path = `${file}.import`;
    this.#of = of;
  }

  /** @returns undefined where there is no place, or it is of another file or server */
  read(): Pick<ImportPlace, 'bytes' | 'lines'> | undefined {
    try {
      const place = JSON.parse(readFileSync(this.#path, 'utf8')) as ImportPlace;
      const { url, size, modifiedMs } = this.#of;
      const isSame = place.url === url && place.size === size && place.modifiedMs === modifiedMs;
      return isSame && place.bytes <= size ? place : undefined;
    } catch {
      return undefined;
    }
  }

  /** Notes how far the import is. Without the note the next import begins at the start, which adds nothing twice. */
  write({ bytes, lines }: EdgeBatch): void {
    try {
      writeFileSync(this.#path, `${JSON.stringify({ ...this.#of, bytes, lines })}\n`);
    } catch {
      // The directory cannot be written: the import goes on without a note.
    }
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }
}

function say(sentence: string): void {
  writeAboveBar(`encke graph: ${sentence}`);
}
