import t from 'tap';
import { Deadline } from '../../client/deadline.js';
import { oneProcessFile } from '../one-process.js';

oneProcessFile('a part by itself, without a server');

/** When silence is believed: after a second look at what may have come meanwhile. */

const ended = (abort: AbortController) =>
  new Promise<unknown>((resolve) => {
    abort.signal.addEventListener('abort', () => resolve(abort.signal.reason));
    setTimeout(() => resolve('not ended'), 5_000);
  });

function standStill(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

t.test('a sign of life that is read just after the time was up counts', async (t) => {
  const abort = new AbortController();
  const deadline = new Deadline(abort);
  deadline.set(50, () => new Error('silence'));
  await new Promise((resolve) => setTimeout(resolve, 60));
  deadline.set(200, () => new Error('silence'));
  t.notOk(abort.signal.aborted);
  deadline.clear();
});

t.test('where the process stood still, there is time to read what has come', async (t) => {
  const abort = new AbortController();
  const deadline = new Deadline(abort);
  deadline.set(50, () => new Error('silence'));
  standStill(400);
  await new Promise((resolve) => setTimeout(resolve, 200)); // several turns of reading
  t.notOk(abort.signal.aborted);
  deadline.clear();
});

t.test('silence is believed in the end, with the time that was waited', async (t) => {
  const abort = new AbortController();
  new Deadline(abort).set(50, (ms) => new Error(`silent for ${ms} ms`));
  t.match(await ended(abort), { message: 'silent for 50 ms' });
});

t.test('one that is cleared between the two looks ends nothing', async (t) => {
  const abort = new AbortController();
  const deadline = new Deadline(abort);
  deadline.set(10, () => new Error('silence'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  deadline.clear();
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.notOk(abort.signal.aborted);
});
