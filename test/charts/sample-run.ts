// Recordings as floodtest writes them, made up from a seed: for drawing and counting, never measurements.

export interface SampleOptions {
  readonly lengthSec: number;
  readonly connections: number;
  readonly openPerSec?: number;
  readonly messagesPerSec?: number;
  readonly rssBaseBytes?: number;
  readonly bytesPerConnection?: number;
  readonly seed?: number;
  /** Seconds with a latency of two seconds. */
  readonly peaksAtSec?: readonly number[];
}

export const RUN_HEADER =
  'elapsedSec,connected,closed,chunks,messages,lost,duplicated,outOfOrder,latencyP50Ms,latencyP99Ms,latencyMaxMs,serverRssBytes,serverCpuSec';

export function sampleRunCsv(options: SampleOptions): string {
  const { lengthSec, connections, openPerSec = 2_000, messagesPerSec = 1_000 } = options;
  const { rssBaseBytes = 42e6, bytesPerConnection = 1_080, seed = 1, peaksAtSec = [] } = options;
  const random = randomFrom(seed);
  const rows = [RUN_HEADER];
  let messages = 0;
  let cpuSec = 0.4;
  let garbageBytes = 0;
  for (let second = 0; second <= lengthSec; second++) {
    const connected = Math.min(connections, second * openPerSec);
    const full = connected === connections;
    const arrived = full ? Math.round(messagesPerSec * (0.97 + 0.06 * random())) : 0;
    messages += arrived;
    garbageBytes = garbageBytes > 1.5e6 ? 0 : garbageBytes + 4_096 * Math.floor(random() * 6);
    const rssBytes = rssBaseBytes + connected * bytesPerConnection + garbageBytes;
    cpuSec += 0.002 + arrived * 9e-5 * (0.9 + 0.2 * random());
    const p50 = 0.4 + 0.2 * random();
    const p99 = 1.5 + 2 * random() ** 4 * 5;
    const max = peaksAtSec.includes(second) ? 2_000 : p99 + 30 * random() ** 8;
    const latency = arrived > 0 ? [p50, p99, max].map((ms) => ms.toFixed(3)) : ['', '', ''];
    rows.push(
      [second, connected, 0, messages, messages, 0, 0, 0, ...latency, rssBytes, cpuSec.toFixed(2)].join(','),
    );
  }
  return `${rows.join('\n')}\n`;
}

export function sampleMetadata(title?: string): string {
  return JSON.stringify({
    title,
    machine: {
      cpu: 'Example CPU @ 2.50GHz',
      cores: 2,
      memoryBytes: 8_326_029_312,
      os: 'Debian GNU/Linux 12',
      node: 'v20.20.2',
    },
    command: [
      '/usr/bin/node',
      '/srv/dist/cli/encke.js',
      'floodtest',
      '--connections',
      '10000',
      '--rate',
      '2000',
    ],
    startedAt: '2026-03-01T12:00:30.000Z',
  });
}

/** Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
