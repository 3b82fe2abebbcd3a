import t from 'tap';
import { PollPace } from '../../client/poll-pace.js';
import { ReconnectBackoff, retryAfterMs } from '../../client/reconnect-backoff.js';
import { TransportChoice } from '../../client/transport-choice.js';

t.test('the span doubles with each failure, up to 30 s, and begins anew after a success', async (t) => {
  const longest = new ReconnectBackoff(() => 1);
  const delays = Array.from({ length: 8 }, () => longest.nextDelayMs());
  t.same(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  for (let i = 0; i < 2_000; i++) longest.nextDelayMs();
  t.equal(longest.nextDelayMs(), 30_000, 'after thousands of failures, too');
  longest.reset();
  t.equal(longest.nextDelayMs(), 1_000);
});

t.test('the jitter is full: any delay from nothing to the span', async (t) => {
  t.equal(new ReconnectBackoff(() => 0).nextDelayMs(), 0);
  const backoff = new ReconnectBackoff();
  for (let i = 0; i < 10; i++) backoff.nextDelayMs();
  const delays = Array.from({ length: 1_000 }, () => backoff.nextDelayMs());
  t.ok(Math.min(...delays) < 3_000 && Math.max(...delays) > 27_000);
});

t.test("the server's own delay is the least, with the jitter on top", async (t) => {
  t.equal(new ReconnectBackoff(() => 0).nextDelayMs(10_000), 10_000);
  t.equal(new ReconnectBackoff(() => 0.5).nextDelayMs(10_000), 10_500);
});

t.test('Retry-After is seconds or a date', async (t) => {
  const now = Date.UTC(2026, 0, 1);
  t.equal(retryAfterMs('10', now), 10_000);
  t.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', now), 30_000);
  t.equal(retryAfterMs('Thu, 01 Jan 2025 00:00:30 GMT', now), 0);
  t.equal(retryAfterMs('soon', now), undefined);
  t.equal(retryAfterMs(null, now), undefined);
});

const exactly = () => 0;

t.test(
  'auto goes to long-poll when the greeting stays away, and tries SSE after ever longer times',
  async (t) => {
    const choice = new TransportChoice('auto');
    t.equal(choice.current, 'sse');
    choice.greetingMissed();
    t.equal(choice.current, 'long-poll');
    choice.opened();
    const waits = Array.from({ length: 9 }, () => choice.nextTryMs(exactly) / 1000);
    t.same(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300], 'seconds');
    choice.returned();
    t.equal(choice.current, 'sse');
    choice.greetingMissed();
    t.equal(choice.nextTryMs(exactly), 300_000, 'to be open is not enough');
    choice.returned();
    choice.lived();
    choice.greetingMissed();
    t.equal(choice.nextTryMs(exactly), 1_000, 'once SSE has lived it is tried again at once');
  },
);

t.test('where SSE was open by this route, it is tried again within seconds', async (t) => {
  const choice = new TransportChoice('auto');
  choice.opened();
  for (const next of [1_000, 2_000, 4_000]) {
    choice.greetingMissed();
    choice.opened();
    t.equal(choice.nextTryMs(exactly), next);
  }
  choice.moved();
  t.equal(choice.nextTryMs(exactly), 1_000, 'on another network at once');
});

t.test('silence behind the greeting: SSE has to show that more comes through', async (t) => {
  const choice = new TransportChoice('auto');
  choice.opened();
  choice.silent();
  t.equal(choice.current, 'long-poll');
  t.equal(choice.proofMs, 250);
  choice.returned();
  choice.lived();
  t.equal(choice.proofMs, 0);
});

t.test('three event streams in turn that are cut in their first seconds: polls', async (t) => {
  const choice = new TransportChoice('auto');
  for (let n = 0; n < 2; n++) choice.cutShort();
  choice.lived();
  for (let n = 0; n < 2; n++) choice.cutShort();
  t.equal(choice.current, 'sse');
  choice.cutShort();
  t.equal(choice.current, 'long-poll');
});

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

t.test('a transport that was chosen stays, and Infinity is never', async (t) => {
  const sse = new TransportChoice('sse');
  sse.greetingMissed();
  sse.silent();
  sse.failed();
  for (let n = 0; n < 9; n++) sse.cutShort();
  t.equal(sse.current, 'sse');
  t.equal(new TransportChoice('long-poll', 0).nextTryMs(), Number.POSITIVE_INFINITY);
  const never = new TransportChoice('auto', Number.POSITIVE_INFINITY);
  never.greetingMissed();
  t.equal(never.nextTryMs(), Number.POSITIVE_INFINITY);
  const unable = new TransportChoice('auto');
  unable.cannotStream();
  unable.failed();
  t.equal(unable.current, 'long-poll');
  t.equal(unable.nextTryMs(), Number.POSITIVE_INFINITY);
});

t.test(
  'a proxy that ends polls after 5 s is adapted to, and now and then a longer one is tried',
  async (t) => {
    const pace = new PollPace(undefined);
    t.equal(pace.cut(5_000), false, 'no poll was ever answered: it is no proxy that ends them');
    pace.answered();
    t.equal(pace.cut(200), false, 'what fails at once was not waited for');
    t.equal(pace.cut(5_000), true);
    t.equal(pace.timeoutSec, 4);
    t.equal(pace.cut(4_000), false, 'and again, without an answer between: something else is wrong');
    for (let n = 0; n < 10; n++) pace.answered();
    t.equal(pace.timeoutSec, undefined, 'as long as the server likes');
    t.equal(pace.cut(5_000), true);
    for (let n = 0; n < 19; n++) pace.answered();
    t.equal(pace.timeoutSec, 4, 'the next try is after twice as many');
    pace.answered();
    t.equal(pace.timeoutSec, undefined);
  },
);
