import t from 'tap';
import {
  Doubts,
  doubtCalmMs,
  doubtSpacingMsMax,
  doubtSpacingMsMin,
} from '../../../router/engine/nats/doubts.js';

t.test('doubts that follow each other are further and further apart, until it was calm', async (t) => {
  const doubts = new Doubts();
  const begunMs: number[] = [];
  for (let nowMs = 0; nowMs < 60_000; nowMs += 100) if (doubts.begin(nowMs)) begunMs.push(nowMs);
  t.same(begunMs, [0, 1_000, 3_000, 7_000, 15_000, 31_000, 47_000]);
  t.equal(begunMs.at(-1)! - begunMs.at(-2)!, doubtSpacingMsMax);
  const calmMs = begunMs.at(-1)! + doubtCalmMs;
  t.ok(doubts.begin(calmMs));
  t.notOk(doubts.begin(calmMs + doubtSpacingMsMin - 1));
  t.ok(doubts.begin(calmMs + doubtSpacingMsMin));
});
