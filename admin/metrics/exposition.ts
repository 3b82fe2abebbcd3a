import type { Numbers } from '../../gateway/cluster/stats-sum.js';
import { families } from './families.js';
import type { Family, StatsPlace } from './family.js';

/** The values of one node, in the shape of `/stats`. */
export interface Scraped {
  /** Each sample of the node has them. */
  readonly labels: Labels;
  readonly numbers: Numbers;
}

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** A text format of metrics. */
export interface MetricsFormat {
  readonly contentType: string;
  readonly isOpenMetrics: boolean;
}

export const textFormat: MetricsFormat = {
  contentType: 'text/plain; version=0.0.4; charset=utf-8',
  isOpenMetrics: false,
};

export const openMetricsFormat: MetricsFormat = {
  contentType: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  isOpenMetrics: true,
};

/** @returns whether the header `Accept` names OpenMetrics, as that of Prometheus does */
export function acceptsOpenMetrics(accept: string): boolean {
  return /application\/openmetrics-text/i.test(accept);
}

const prefix = 'encke_';

/** Writes all metrics as text. Their values were read before, so this looks at no connection. */
export function exposition(nodes: readonly Scraped[], format: MetricsFormat): string {
  const lines: string[] = [];
  for (const family of families) addFamily(lines, family, nodes, format);
  if (format.isOpenMetrics) lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function addFamily(lines: string[], family: Family, nodes: readonly Scraped[], format: MetricsFormat): void {
  const samples = nodes.flatMap((node) => linesOf(family, node, format));
  if (samples.length === 0) return;
  const { type, help } = family;
  const name = headName(family, format);
  lines.push(`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`);
  const unit = /_(seconds|bytes|ratio)$/.exec(family.name)?.[1];
  if (format.isOpenMetrics && unit !== undefined) lines.push(`# UNIT ${name} ${unit}`);
  lines.push(`# TYPE ${name} ${type === 'info' && !format.isOpenMetrics ? 'gauge' : type}`, ...samples);
}

/** OpenMetrics names the family without the suffix of its samples. */
function headName({ name, type }: Family, { isOpenMetrics }: MetricsFormat): string {
  return `${prefix}${name}${isOpenMetrics ? '' : suffixOf(type)}`;
}

function suffixOf(type: Family['type']): string {
  return type === 'counter' ? '_total' : type === 'info' ? '_info' : '';
}

function linesOf(family: Family, node: Scraped, format: MetricsFormat): string[] {
  if (family.type === 'histogram') return histogramLines(family, node, format);
  if (family.type === 'info') return [infoLine(family, node)];
  const name = `${prefix}${family.name}${suffixOf(family.type)}`;
  const samples = family.sources.flatMap((source) => samplesOf(source, node.numbers));
  return samples.map(({ labels, value }) => line(name, { ...labels, ...node.labels }, value));
}

function infoLine({ name, sources }: Family, { labels, numbers }: Scraped): string {
  const known = sources.map(({ path, by }) => [by!, String(valueAt(numbers, path))] as const);
  return line(`${prefix}${name}_info`, { ...Object.fromEntries(known), ...labels }, 1);
}

/** A histogram in `/stats` has `buckets`, each with the number of its own values by upper bound, and `sumSec`. */
function histogramLines(
  { name, sources }: Family,
  node: Scraped,
  { isOpenMetrics }: MetricsFormat,
): string[] {
  const { buckets, sumSec } = (valueAt(node.numbers, sources[0]!.path) ?? {}) as {
    buckets?: Record<string, number>;
    sumSec?: number;
  };
  if (buckets === undefined) return [];
  let count = 0;
  const lines = Object.entries(buckets).map(([bound, of]) => {
    count += of;
    const le = isOpenMetrics && /^\d+$/.test(bound) ? `${bound}.0` : bound;
    return line(`${prefix}${name}_bucket`, { le, ...node.labels }, count);
  });
  lines.push(line(`${prefix}${name}_sum`, node.labels, sumSec ?? 0));
  lines.push(line(`${prefix}${name}_count`, node.labels, count));
  return lines;
}

function samplesOf({ path, labels = {}, by, member, times = 1 }: StatsPlace, numbers: Numbers): Sample[] {
  const value = valueAt(numbers, path);
  if (value === undefined || value === null) return [];
  if (by === undefined) return sampleOf(labels, value, times);
  if (member === undefined)
    return Object.entries(value).flatMap(([key, one]) => sampleOf({ ...labels, [by]: key }, one, times));
  return (value as Numbers[]).flatMap((one) =>
    sampleOf({ ...labels, [by]: String(one[by]) }, one[member], times),
  );
}

function sampleOf(labels: Labels, value: unknown, times: number): Sample[] {
  if (typeof value === 'boolean') return [{ labels, value: Number(value) }];
  return typeof value === 'number' ? [{ labels, value: value * times }] : [];
}

function valueAt(numbers: Numbers, path: string): unknown {
  let at: unknown = numbers;
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Numbers)[name];
  }
  return at;
}

function line(name: string, labels: Labels, value: number): string {
  const shown = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${shown.length === 0 ? '' : `{${shown.join(',')}}`} ${value}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
