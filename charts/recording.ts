// A recording that the user named: its CSV, and the JSON of the same name beside it.

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Csv, type CsvOptions } from './csv.js';
import { ChartInputError } from './input-error.js';
import { type RunMetadata, readMetadata } from './metadata.js';

export interface RecordedCsv {
  readonly csv: Csv;
  /** The file's name without `.csv`, from which the names of its drawings come. */
  readonly name: string;
  readonly title: string;
  readonly metadata: RunMetadata;
  /** Sentences for the user about parts that were left out or are missing. */
  readonly notes: readonly string[];
}

export async function readRecording(
  path: string,
  options: CsvOptions & { title?: string | undefined } = {},
): Promise<RecordedCsv> {
  const csv = new Csv(await readText(path), basename(path), options);
  const { metadata, note } = await readMetadata(path);
  const name = basename(path).replace(/\.csv$/i, '');
  return {
    csv,
    name,
    title: options.title ?? metadata.title ?? name,
    metadata,
    notes: [...csv.notes, ...(note === undefined ? [] : [note])],
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : code;
    throw new ChartInputError(`${path} cannot be read: ${why}.`, { cause: error });
  }
}
