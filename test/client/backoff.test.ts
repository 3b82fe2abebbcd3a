import t from 'tap';
import { Backoff, retryAfterMs } from '../../client/backoff.js';
import { TransportChoice } from '../../client/transport-choice.js';

t.test('the span doubles with each failure, up to 30 s, and begins anew after a success', async (t) => {
  const longest = new Backoff(() => 1);
  const delays = Array.from({ length: 8 }, () => longest.nextDelayMs());
  t.same(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  for (let i = 0; i < 2_000; i++) longest.nextDelayMs();
  t.equal(longest.nextDelayMs(), 30_000, 'after thousands of failures, too');
  longest.reset();
  t.equal(longest.nextDelayMs(), 1_000);
});

t.test('the jitter is full: any delay from nothing to the span', async (t) => {
  t.equal(new Backoff(() => 0).nextDelayMs(), 0);
  const backoff = new Backoff();
  for (let i = 0; i < 10; i++) backoff.nextDelayMs();
  const delays = Array.from({ length: 1_000 }, () => backoff.nextDelayMs());
  t.ok(Math.min(...delays) < 3_000 && Math.max(...delays) > 27_000);
});

t.test('what the server asks for is the least, with the jitter on top', async (t) => {
  t.equal(new Backoff(() => 0).nextDelayMs(10_000), 10_000);
  t.equal(new Backoff(() => 0.5).nextDelayMs(10_000), 10_500);
});

t.test('Retry-After is seconds or a date', async (t) => {
  const now = Date.UTC(2026, 0, 1);
  t.equal(retryAfterMs('10', now), 10_000);
  t.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', now), 30_000);
  t.equal(retryAfterMs('Thu, 01 Jan 2025 00:00:30 GMT', now), 0);
  t.equal(retryAfterMs('soon', now), undefined);
  t.equal(retryAfterMs(null, now), undefined);
});

t.test(
  'auto goes to long-poll when the greeting stays away, and tries SSE again after ever longer times',
  async (t) => {
    let nowMs = 0;
    const choice = new TransportChoice('auto', undefined, () => nowMs);
    t.equal(choice.current, 'sse');
    const waits: number[] = [];
    for (let round = 0; round < 7; round++) {
      choice.greetingMissed();
      t.equal(choice.current, 'long-poll');
      choice.opened();
      const from = nowMs;
      while (!choice.returnsToSse()) {
        choice.opened(); // each poll that is answered
        nowMs += 60_000;
      }
      t.equal(choice.current, 'sse');
      waits.push((nowMs - from) / 60_000);
    }
    t.same(waits, [5, 10, 20, 40, 60, 60, 60], 'minutes');
    choice.opened();
    choice.greetingMissed();
    choice.opened();
    nowMs += 300_000;
    t.equal(choice.returnsToSse(), true, '5 minutes again once SSE has worked');
  },
);

t.test('where polls are not answered either, it was no proxy that buffers', async (t) => {
  const choice = new TransportChoice('auto');
  choice.greetingMissed();
  choice.failed();
  t.equal(choice.current, 'sse');
  choice.greetingMissed();
  choice.opened();
  choice.failed();
  t.equal(choice.current, 'long-poll', 'a poll that fails later changes nothing');
});

t.test('a transport that was chosen stays', async (t) => {
  const sse = new TransportChoice('sse');
  sse.greetingMissed();
  sse.failed();
  t.equal(sse.current, 'sse');
  const polls = new TransportChoice('long-poll', 0);
  polls.opened();
  t.equal(polls.returnsToSse(), false);
});
