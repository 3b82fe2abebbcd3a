// A CSV as columns of numbers. An empty field is NaN (unknown). A column with text is refused only when it is to be
// drawn. A recording that was cut off in its last line keeps all others.

import { ChartInputError } from './input-error.js';

interface Column {
  readonly values: number[];
  firstText?: { line: number; text: string };
}

export interface CsvOptions {
  /**
   * Every row was written with its line end. So a row without one was cut off, even if no field is missing: its last
   * number may lack digits.
   */
  readonly everyLineEnds?: boolean;
}

const LISTED_COLUMNS_MAX = 20;

export class Csv {
  readonly #columns = new Map<string, Column>();
  readonly rowsTotal: number;
  /** Sentences for the user about parts that were left out. */
  readonly notes: string[] = [];

  constructor(
    text: string,
    /** The file's name, for messages. */
    readonly fileName: string,
    options: CsvOptions = {},
  ) {
    const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
    const lastLineEnds = lines.at(-1) === '';
    const header = splitFields(lines[0] ?? '').map((field) => field.trim());
    if (header.every((name) => name === '')) {
      throw new ChartInputError(`${fileName} is empty: it needs a line of column names and rows of numbers.`);
    }
    for (const name of header) {
      if (this.#columns.has(name)) {
        throw new ChartInputError(
          `${fileName} names the column "${name}" twice; give each a name of its own.`,
        );
      }
      this.#columns.set(name, { values: [] });
    }
    const columns = [...this.#columns.values()];
    let rowsTotal = 0;
    for (let line = 1; line < lines.length; line++) {
      const row = lines[line]!;
      if (row.trim() === '') continue;
      const fields = splitFields(row);
      const cutOff = line === lines.length - 1 && !lastLineEnds;
      if (cutOff && (fields.length < columns.length || options.everyLineEnds)) {
        this.notes.push(`${fileName} stops in the middle of line ${line + 1}; that line is left out.`);
        continue;
      }
      if (fields.length !== columns.length) {
        throw new ChartInputError(
          `${fileName}, line ${line + 1}: ${fields.length} fields where the header names ${columns.length} columns; mend or delete that line.`,
        );
      }
      rowsTotal++;
      for (let i = 0; i < columns.length; i++) addField(columns[i]!, fields[i]!, line + 1);
    }
    this.rowsTotal = rowsTotal;
    if (rowsTotal === 0) {
      throw new ChartInputError(
        `${fileName} has no rows: only the column names are there, so nothing can be drawn.`,
      );
    }
  }

  get columnNames(): string[] {
    return [...this.#columns.keys()];
  }

  has(name: string): boolean {
    return this.#columns.has(name);
  }

  numbers(name: string): number[] {
    const column = this.#columns.get(name);
    if (!column) {
      throw new ChartInputError(`${this.fileName} has no column "${name}"; it has ${this.#listColumns()}.`);
    }
    if (column.firstText) {
      const { line, text } = column.firstText;
      throw new ChartInputError(
        `${this.fileName}, line ${line}: "${text.slice(0, 40)}" in column "${name}" is not a number; mend it, or leave the field empty for "unknown".`,
      );
    }
    return column.values;
  }

  #listColumns(): string {
    const names = this.columnNames;
    const rest = names.length - LISTED_COLUMNS_MAX;
    return names.slice(0, LISTED_COLUMNS_MAX).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
  }
}

function addField(column: Column, field: string, line: number): void {
  const text = field.trim();
  const value = text === '' ? Number.NaN : Number(text);
  if (text !== '' && !Number.isFinite(value) && !column.firstText) column.firstText = { line, text };
  column.values.push(value);
}

function splitFields(line: string): string[] {
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  // A field is quoted ("" stands for one quote in it) or runs to the next comma.
  for (const match of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    fields.push(match[1] === undefined ? match[2]! : match[1].replaceAll('""', '"'));
  }
  return fields;
}
