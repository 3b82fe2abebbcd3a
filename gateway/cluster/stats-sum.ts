/** What `GET /stats` shows of one node, as data. */
export type Numbers = { readonly [name: string]: unknown };

/** They are of one process, and their sum would say nothing. */
const notAddedUp: ReadonlySet<string> = new Set(['pid', 'peers', 'bytesPerConnection']);

/**
 * The numbers of several nodes added up, in the shape of one: numbers are summed, words and flags stay where all nodes
 * agree, and what belongs to one process is left out. Of `uptimeSec` the longest counts.
 */
export function sumOf(nodes: readonly Numbers[]): Numbers {
  const names = new Set(nodes.flatMap((node) => Object.keys(node)));
  const sum: Record<string, unknown> = {};
  for (const name of names) {
    if (notAddedUp.has(name)) continue;
    const values = nodes.map((node) => node[name]).filter((value) => value !== undefined && value !== null);
    const added = name === 'uptimeSec' ? Math.max(...values.map(Number)) : addedUp(values);
    if (added !== undefined) sum[name] = added;
  }
  return sum;
}

function addedUp(values: readonly unknown[]): unknown {
  if (values.every((value) => typeof value === 'number')) return values.reduce((a, b) => a + b, 0);
  if (values.every(Array.isArray)) return addedByPlace(values);
  if (values.every(isNumbers)) return sumOf(values);
  return values.every((value) => value === values[0]) ? values[0] : undefined;
}

function addedByPlace(rows: readonly unknown[][]): unknown[] {
  const length = Math.max(...rows.map((row) => row.length));
  return Array.from({ length }, (_, place) => rows.reduce((sum, row) => sum + Number(row[place] ?? 0), 0));
}

function isNumbers(value: unknown): value is Numbers {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
