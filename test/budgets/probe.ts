import koffi from 'koffi';
import { pino } from 'pino';
import { readConfig } from '../../gateway/config.js';
import { Gateway } from '../../gateway/gateway.js';
import { Router } from '../../router/index.js';
import { collectGarbage } from '../garbage.js';

/**
 * A gateway in a forked process that weighs itself when asked: what lives in V8's heap after a collection, and
 * what glibc's malloc has handed out. Both are exact, where RSS moves in pages and with the allocator's moods.
 */

export interface Weight {
  heapBytes: number;
  mallocBytes: number;
}

const fields = [
  'arena',
  'ordblks',
  'smblks',
  'hblks',
  'hblkhd',
  'usmblks',
  'fsmblks',
  'uordblks',
  'fordblks',
  'keepcost',
];
const Mallinfo2 = koffi.struct('mallinfo2', Object.fromEntries(fields.map((field) => [field, 'size_t'])));
const mallinfo2 = koffi.load('libc.so.6').func('mallinfo2', Mallinfo2, []);

const router = new Router();
const gateway = new Gateway(
  router,
  readConfig({
    flags: { port: 0, apiPort: 0, reclaimAfterOpened: 0, reclaimAfterClosed: 0, reclaimAfterMessages: 0 },
  }),
  pino({ level: 'silent' }),
);
await gateway.start();
process.on('message', () => process.send!(weigh()));
process.send!({ url: gateway.url, apiUrl: gateway.apiUrl });

function weigh(): Weight {
  collectGarbage();
  collectGarbage();
  const { uordblks, hblkhd } = mallinfo2() as { uordblks: number; hblkhd: number };
  return { heapBytes: process.memoryUsage().heapUsed, mallocBytes: Number(uordblks) + Number(hblkhd) };
}
