// A file the user named: its CSV, and what the JSON of the same name beside it says about it.

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type About, readAbout } from './about.js';
import { Csv, type CsvOptions } from './csv.js';
import { ChartInputError } from './input-error.js';

export interface Recording {
  readonly csv: Csv;
  /** The file's name without `.csv`: what drawings of it are called. */
  readonly name: string;
  readonly title: string;
  readonly about: About;
  /** Sentences for the user about what was left out or is missing. */
  readonly notes: readonly string[];
}

export async function readRecording(
  path: string,
  options: CsvOptions & { title?: string | undefined } = {},
): Promise<Recording> {
  const csv = new Csv(await readText(path), basename(path), options);
  const { about, note } = await readAbout(path);
  const name = basename(path).replace(/\.csv$/i, '');
  return {
    csv,
    name,
    title: options.title ?? about.title ?? name,
    about,
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
