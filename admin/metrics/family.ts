/**
 * A metric as Prometheus has it: a name in base units, a type, and the places in `/stats` that its values come from.
 * The table in gateway/metrics.ts says how each value is read there.
 */
export interface Family {
  /** The name without the prefix `encke_` and without the suffix `_total`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'info';
  readonly help: string;
  readonly sources: readonly StatsPlace[];
}

/** A place in `/stats`. Where it has no value on a node, it has no sample. */
export interface StatsPlace {
  /** The names of the objects and of the value, such as `connections.open`. */
  readonly path: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Set where the place is an object or an array of values: the label that has their names, or indexes. */
  readonly by?: string;
  /** Set where the place is an array of objects: the member that has the value. Then the member `by` names the object. */
  readonly member?: string;
  /** The factor that makes base units of the value. */
  readonly times?: number;
}

export function counter(name: string, help: string, ...sources: (StatsPlace | string)[]): Family {
  return { name, type: 'counter', help, sources: sources.map(sourceOf) };
}

export function gauge(name: string, help: string, ...sources: (StatsPlace | string)[]): Family {
  return { name, type: 'gauge', help, sources: sources.map(sourceOf) };
}

/** @param source a place; or its path alone; or the path with the label of its members: `connections.closed{reason}` */
function sourceOf(source: StatsPlace | string): StatsPlace {
  if (typeof source !== 'string') return source;
  const [path, by] = source.split(/[{}]/) as [string, string | undefined];
  return by === undefined ? { path } : { path, by };
}
