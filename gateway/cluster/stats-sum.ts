import { kindOf } from '../metrics.js';

/** The metrics of one node, in the shape of `GET /stats`. */
export type Numbers = { readonly [name: string]: unknown };

/**
 * Sums the metrics of several nodes into the same shape, by the kind of each metric (see `MetricKind`). An unknown value,
 * such as one of a node of another release, counts as part of a group.
 */
export function sumOf(nodes: readonly Numbers[], room = ''): Numbers {
  const names = new Set(nodes.flatMap((node) => Object.keys(node)));
  const sum: Record<string, unknown> = {};
  for (const name of names) {
    const metric = `${room}${name}`;
    const kind = kindOf(metric);
    if (kind === 'process') continue;
    const values = nodes.map((node) => node[name]).filter((value) => value !== undefined && value !== null);
    const added = kind === 'maximum' ? Math.max(...values.map(Number)) : addedUp(values, metric);
    if (added !== undefined) sum[name] = added;
  }
  return sum;
}

function addedUp(values: readonly unknown[], metric: string): unknown {
  if (values.every((value) => typeof value === 'number')) return values.reduce((a, b) => a + b, 0);
  if (values.every(Array.isArray)) return addedByPlace(values);
  if (values.every(isNumbers)) return sumOf(values, `${metric}.`);
  return values.every((value) => value === values[0]) ? values[0] : undefined;
}

function addedByPlace(rows: readonly unknown[][]): unknown[] {
  const length = Math.max(...rows.map((row) => row.length));
  return Array.from({ length }, (_, place) => rows.reduce((sum, row) => sum + Number(row[place] ?? 0), 0));
}

function isNumbers(value: unknown): value is Numbers {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
