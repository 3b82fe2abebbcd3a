import { z } from 'zod';

/** The kinds of settings: the schema of a value, and how it is parsed from text. The tables of settings use them. */

export interface Setting<Schema extends z.ZodType = z.ZodType> {
  schema: Schema;
  /** Ends the sentence "… must be". */
  expects: string;
  default: z.output<Schema>;
  help: string;
  secret?: true;
  /** For a frequent mistake: the rest of a sentence that begins with the origin of the value, and says what to do. */
  mistake?: (value: unknown) => string | undefined;
}

export function wholeNumber(min: number, max: number) {
  const fromText = (value: unknown) =>
    typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return {
    schema: z.preprocess(fromText, z.number().int().min(min).max(max)),
    expects: `a whole number from ${min} to ${max}`,
  };
}

export function text(expects: string, pattern = /^/) {
  return { schema: z.string().regex(pattern), expects };
}

export function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return { schema: z.enum(values), expects: `one of ${values.join(', ')}` };
}

/** Separated by commas in flags and variables; an array in the file. */
export function listOf(expects: string, pattern: RegExp, separator = ',') {
  const fromText = (value: unknown) =>
    typeof value === 'string' ? value.split(separator).filter((item) => item !== '') : value;
  return { schema: z.preprocess(fromText, z.array(z.string().regex(pattern))), expects };
}

export function setting<Schema extends z.ZodType>(
  kind: { schema: Schema; expects: string },
  preset: z.output<Schema>,
  help: string,
): Setting<Schema> {
  return { ...kind, default: preset, help };
}

export function flag() {
  const fromText = (value: unknown) => (value === 'true' ? true : value === 'false' ? false : value);
  return { schema: z.preprocess(fromText, z.boolean()), expects: 'true or false' };
}

export function share(min = 0) {
  const fromText = (value: unknown) =>
    typeof value === 'string' && /^\d*\.?\d+$/.test(value) ? Number(value) : value;
  return { schema: z.preprocess(fromText, z.number().min(min).max(1)), expects: `a number from ${min} to 1` };
}

export const mebibyte = 1024 * 1024;
export const anyCount = wholeNumber(0, 100_000_000);
export const port = wholeNumber(0, 65_535);

/** `apiPort` -> `--api-port` */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
