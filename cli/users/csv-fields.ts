/**
 * Reads the cells of a line of CSV (RFC 4180). Commas separate them. A cell with a comma or a quote in it is in quotes,
 * and its own quotes are doubled. No cell goes on in the next line.
 * @returns undefined where a quote is not closed, or stands within a cell
 */
export function fieldsOf(line: string): string[] | undefined {
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (line[at] === '"') {
      const [whole, inside] = quoted(line, at) ?? [];
      if (whole === undefined) return undefined;
      fields.push(inside!.replaceAll('""', '"'));
      at += whole.length;
      if (at < line.length && line[at] !== ',') return undefined;
    } else {
      const comma = line.indexOf(',', at);
      const cell = line.slice(at, comma === -1 ? undefined : comma);
      if (cell.includes('"')) return undefined;
      fields.push(cell);
      at += cell.length;
    }
    if (at >= line.length) return fields;
    at++; // the comma; behind the last one there is an empty cell
  }
}

function quoted(line: string, at: number): RegExpExecArray | null {
  const pattern = /"((?:[^"]|"")*)"/y;
  pattern.lastIndex = at;
  return pattern.exec(line);
}
