/**
 * Removes the indentation of a module of the client, a sixteenth of its bytes, and moves the columns of its source map
 * accordingly.
 */

export interface Module {
  readonly text: string;
  /** Source map, version 3. */
  readonly map: string | undefined;
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Only for a text without multi-line strings. */
export function unindent({ text, map }: Module): Module {
  const parsed: { mappings: string } | undefined = map === undefined ? undefined : JSON.parse(map);
  const mappings = parsed?.mappings.split(';') ?? [];
  const lines = text.split('\n').map((line, n) => {
    const spaces = /^ */.exec(line)![0].length;
    const [first, column] = columnOf(mappings[n] ?? '');
    if (column === undefined) return line.slice(spaces);
    const cut = Math.min(spaces, column);
    // The other mappings of the line are relative to the one before.
    mappings[n] = encoded(column - cut) + mappings[n]!.slice(first);
    return line.slice(cut);
  });
  const mapped = parsed && JSON.stringify({ ...parsed, mappings: mappings.join(';') });
  return { text: lines.join('\n'), map: mapped };
}

/**
 * The first number of a line's mappings, in Base64 VLQ: five bits a digit, the lowest first. Also returns its digits.
 */
function columnOf(mappings: string): [length: number, column: number | undefined] {
  let value = 0;
  for (let n = 0; n < mappings.length; n++) {
    const digit = digits.indexOf(mappings[n]!);
    value += (digit & 31) << (5 * n);
    if (digit < 32) return [n + 1, value >> 1]; // the lowest bit is the sign; the first column has none
  }
  return [0, undefined];
}

function encoded(column: number): string {
  let text = '';
  for (let rest = column << 1; ; rest >>= 5) {
    if (rest < 32) return text + digits[rest]!;
    text += digits[(rest & 31) | 32]!;
  }
}
