import t from 'tap';
import { ConfigError, readConfig } from '../../gateway/config.js';
import { fittedToMemory, limitsSummed } from '../../gateway/memory-limits.js';
import { encke } from '../cli/encke.js';
import { oneProcessFile } from '../one-process.js';

oneProcessFile('settings are read without a server');

/** All limits in bytes together fit the heap and the memory: defaults are made smaller, what was set is refused. */

const mebibyte = 1024 * 1024;
const nothingSet = () => false;
const memoryOf = (heapMb: number, totalMb: number) => ({
  heapBytes: heapMb * mebibyte,
  totalBytes: totalMb * mebibyte,
});
const fits = (config: Parameters<typeof limitsSummed>[0], memory: ReturnType<typeof memoryOf>) => {
  const { heapBytes, heapRoomBytes, totalBytes, totalRoomBytes } = limitsSummed(config, memory);
  return heapBytes <= heapRoomBytes && totalBytes <= totalRoomBytes;
};

t.test(
  'the defaults fit a heap of 4 GB as they are, and are made smaller for any that is smaller',
  async (t) => {
    const defaults = readConfig({});
    for (const [heapMb, totalMb] of [
      [4144, 16_384],
      [2096, 8_192],
      [2096, 4_096],
      [1072, 2_048],
      [560, 1_024],
      [304, 512],
      [112, 1_024],
      [96, 256],
    ] as const) {
      const memory = memoryOf(heapMb, totalMb);
      const fitted = fittedToMemory(defaults, nothingSet, memory);
      if (typeof fitted === 'string') {
        t.fail(`${heapMb} MB of heap, ${totalMb} of memory: ${fitted}`);
        continue;
      }
      t.ok(fits(fitted, memory), `${heapMb} MB of heap, ${totalMb} of memory`);
      if (heapMb > 4_000) t.same(fitted, { ...defaults, connectionsMax: fitted.connectionsMax });
      else t.ok(fitted.mqttRetainedBytesTotalMax < defaults.mqttRetainedBytesTotalMax);
      t.ok(fitted.mqttRetainedBytesTotalMax >= 64 * 1024);
    }
  },
);

t.test('a value that is set is never changed; the others make room for it', async (t) => {
  const defaults = readConfig({ flags: { mqttRetainedBytesTotalMax: `${256 * mebibyte}` } });
  const memory = memoryOf(560, 2_048);
  const fitted = fittedToMemory(defaults, (key) => key === 'mqttRetainedBytesTotalMax', memory);
  if (typeof fitted === 'string') throw new Error(fitted);
  t.equal(fitted.mqttRetainedBytesTotalMax, 256 * mebibyte);
  t.ok(fitted.loginsBytesTotalMax < defaults.loginsBytesTotalMax);
  t.ok(fits(fitted, memory));
});

t.test(
  'values that are set and do not fit are refused, with the settings to lower and the heap to ask for',
  async (t) => {
    const flags = {
      mqttRetainedBytesTotalMax: `${64 * 1024 * mebibyte}`,
      loginsBytesTotalMax: `${mebibyte}`,
    };
    t.throws(() => readConfig({ flags }), ConfigError);
    const outcome = await encke([
      ...['start', '--port', '0', '--api-port', '0'],
      ...['--mqtt-retained-bytes-total-max', flags.mqttRetainedBytesTotalMax],
    ]);
    t.equal(outcome.code, 2);
    t.match(
      outcome.stderr,
      /^encke start: What the limits allow may take \d+ MB of V8's heap, and of its \d+ MB there is room for \d+: lower --mqtt-retained-bytes-total-max \(68719476736\), or start with NODE_OPTIONS=--max-old-space-size=\d+\.\n$/,
    );
    const largest = fittedToMemory(
      readConfig({}),
      (key) => key === 'historyBytesTotalMax' || key === 'pendingBytesTotalMax',
      memoryOf(4_144, 200),
    );
    t.match(
      largest,
      /of the 200 MB of memory there is room for \d+: lower --pending-bytes-total-max .*or --history/,
    );
  },
);

t.test(
  'a descriptor limit of a million does not promise more connections than memory has room for',
  async (t) => {
    const memory = memoryOf(80, 4_096);
    const fitted = fittedToMemory(readConfig({}), nothingSet, memory);
    if (typeof fitted === 'string') throw new Error(fitted);
    t.ok(fitted.connectionsMax > 0 && fitted.connectionsMax * 400 <= 0.25 * 0.7 * 32 * mebibyte);
    t.ok(fits(fitted, memory));
  },
);
