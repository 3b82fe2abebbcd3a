/**
 * A latency histogram in microseconds: 128 buckets for each power of two, so a percentile is at most 0.8 % too high,
 * and the maximum is exact. It is a plain array of counts, so that histograms of several processes can be added, unlike
 * those of node:perf_hooks. Why not hdr-histogram-js: docs/decisions/floodtest-client.md. Two clocks may differ, so a
 * latency may be negative; negative latencies have buckets of their own once there are any.
 */
const SUB_BITS = 7;
const SUB_BUCKETS = 1 << SUB_BITS;
/** 71 minutes: the last bucket has what is longer as well. */
const MAX_US = 0xffff_ffff;
const BUCKETS = SUB_BUCKETS * (32 - SUB_BITS + 1);

/**
 * A histogram on its way between processes: pairs of bucket and count, because most buckets are empty. Pairs of
 * negative values come last.
 */
export interface LatencyCounts {
  pairs: Uint32Array;
  total: number;
  sumUs: number;
  minUs: number;
  maxUs: number;
}

export interface LatencySummary {
  p50: number;
  p90: number;
  p99: number;
  'p99.9': number;
  max: number;
  mean: number;
  min: number;
}

export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #negativeCounts: Uint32Array | undefined;
  #total = 0;
  #negatives = 0;
  #sumUs = 0;
  #minUs = Number.POSITIVE_INFINITY;
  #maxUs = Number.NEGATIVE_INFINITY;

  get total(): number {
    return this.#total;
  }

  /** How many were negative: received before they were sent, by the clocks of two machines. */
  get negatives(): number {
    return this.#negatives;
  }

  /** @param times how many have this value */
  record(us: number, times = 1): void {
    const value = Math.round(us);
    if (value < 0) this.#countNegative(bucketOf(Math.min(-value, MAX_US)), times);
    else this.#count(bucketOf(Math.min(value, MAX_US)), times);
    this.#total += times;
    this.#sumUs += value * times;
    if (value < this.#minUs) this.#minUs = value;
    if (value > this.#maxUs) this.#maxUs = value;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#negativeCounts = undefined;
    this.#total = 0;
    this.#negatives = 0;
    this.#sumUs = 0;
    this.#minUs = Number.POSITIVE_INFINITY;
    this.#maxUs = Number.NEGATIVE_INFINITY;
  }

  #count(bucket: number, times: number): void {
    this.#counts[bucket] = this.#counts[bucket]! + times;
  }

  #countNegative(bucket: number, times: number): void {
    this.#negativeCounts ??= new Uint32Array(BUCKETS);
    this.#negativeCounts[bucket] = this.#negativeCounts[bucket]! + times;
    this.#negatives += times;
  }

  toCounts(): LatencyCounts {
    const pairs: number[] = [];
    for (let bucket = 0; this.#total > 0 && bucket < BUCKETS; bucket++) {
      if (this.#counts[bucket]! > 0) pairs.push(bucket, this.#counts[bucket]!);
    }
    this.#negativeCounts?.forEach((count, bucket) => {
      if (count > 0) pairs.push(BUCKETS + bucket, count);
    });
    return {
      pairs: Uint32Array.from(pairs),
      total: this.#total,
      sumUs: this.#sumUs,
      minUs: this.#minUs,
      maxUs: this.#maxUs,
    };
  }

  add(counts: LatencyCounts): void {
    for (let i = 0; i < counts.pairs.length; i += 2) {
      const bucket = counts.pairs[i]!;
      const times = counts.pairs[i + 1]!;
      if (bucket < BUCKETS) this.#count(bucket, times);
      else this.#countNegative(bucket - BUCKETS, times);
    }
    this.#total += counts.total;
    this.#sumUs += counts.sumUs;
    if (counts.minUs < this.#minUs) this.#minUs = counts.minUs;
    if (counts.maxUs > this.#maxUs) this.#maxUs = counts.maxUs;
  }

  /** The latency in ms that `percent` of the values do not exceed. Undefined while nothing was recorded. */
  percentileMs(percent: number): number | undefined {
    if (this.#total === 0) return undefined;
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#total));
    let seen = 0;
    for (let bucket = BUCKETS - 1; bucket >= 0 && seen < this.#negatives; bucket--) {
      seen += this.#negativeCounts![bucket]!;
      if (seen >= rank) return -Math.min(highestOf(bucket), -this.#minUs) / 1000;
    }
    for (let bucket = 0; bucket < BUCKETS - 1; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank) return Math.min(highestOf(bucket), this.#maxUs) / 1000;
    }
    return this.#maxUs / 1000;
  }

  summaryMs(): LatencySummary | undefined {
    if (this.#total === 0) return undefined;
    return {
      p50: this.percentileMs(50)!,
      p90: this.percentileMs(90)!,
      p99: this.percentileMs(99)!,
      'p99.9': this.percentileMs(99.9)!,
      max: this.#maxUs / 1000,
      mean: Math.round(this.#sumUs / this.#total) / 1000,
      min: this.#minUs / 1000,
    };
  }
}

/** Values below 128 have a bucket each; above, the seven bits after the leading one choose it. */
function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return value;
  const exponent = 31 - Math.clz32(value) - SUB_BITS;
  return (exponent + 1) * SUB_BUCKETS + ((value >>> exponent) - SUB_BUCKETS);
}

function highestOf(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket;
  const exponent = Math.floor(bucket / SUB_BUCKETS) - 1;
  const step = 2 ** exponent;
  return (SUB_BUCKETS + (bucket % SUB_BUCKETS)) * step + step - 1;
}

export function formatLatency(summary: LatencySummary | undefined): string {
  if (summary === undefined) return 'nothing measured';
  const { p50, p90, p99, max } = summary;
  const shown = { p50, p90, p99, 'p99.9': summary['p99.9'], max };
  return Object.entries(shown)
    .map(([name, ms]) => `${name} ${latencyText(ms)}`)
    .join('  ')
    .concat(' ms');
}

export function latencyText(ms: number | undefined): string {
  if (ms === undefined) return '-';
  const size = Math.abs(ms);
  return size >= 100 ? ms.toFixed(0) : size >= 10 ? ms.toFixed(1) : ms.toFixed(2);
}
