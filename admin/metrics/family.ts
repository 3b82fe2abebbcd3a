/**
 * A metric as Prometheus has it: a name in base units, a type, and the places in `/stats` that its values come from.
 * The table in gateway/metrics.ts says how each value is read there.
 */
export interface Family {
  /** Without `encke_`, and without `_total`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'info';
  readonly help: string;
  readonly sources: readonly StatsPlace[];
}

/** A place in `/stats`. Where it has no value on a node, it has no sample. */
export interface StatsPlace {
  /** `connections.open`. */
  readonly path: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The place has several values, in an object or an array: this label has the name, or the index. */
  readonly by?: string;
  /** The place is an array of objects: the member with the value; `by` is then the member that names it. */
  readonly member?: string;
  /** To base units. */
  readonly times?: number;
}

export function counter(name: string, help: string, ...sources: (StatsPlace | string)[]): Family {
  return { name, type: 'counter', help, sources: sources.map(sourceOf) };
}

export function gauge(name: string, help: string, ...sources: (StatsPlace | string)[]): Family {
  return { name, type: 'gauge', help, sources: sources.map(sourceOf) };
}

/** A path alone, or with the label of its members: `connections.closed{reason}`. */
function sourceOf(source: StatsPlace | string): StatsPlace {
  if (typeof source !== 'string') return source;
  const [path, by] = source.split(/[{}]/) as [string, string | undefined];
  return by === undefined ? { path } : { path, by };
}
