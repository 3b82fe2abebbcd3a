import t from 'tap';
import { Pulse } from '../../../router/engine/nats/pulse.js';

t.test('a beat that is 2.5 s late says that the process stood still', async (t) => {
  const pulse = new Pulse(0);
  t.equal(pulse.beat(1_000), false);
  t.equal(pulse.beat(3_499), false);
  t.equal(pulse.standstillMs(3_500, 2_000), 0);
  t.equal(pulse.beat(15_499), true);
  t.equal(pulse.standstillMs(15_500, 2_000), 12_000);
  t.equal(pulse.beat(16_500), false);
  t.equal(pulse.standstillMs(17_400, 2_000), 12_000);
  t.equal(pulse.standstillMs(17_500, 2_000), 0, 'for as long as was asked');
});

t.test('it is known before the late beat, as sockets may be read first', async (t) => {
  const pulse = new Pulse(0);
  t.equal(pulse.standstillMs(12_000, 2_000), 12_000);
  t.equal(pulse.beat(12_005), true);
  t.equal(pulse.beat(13_000), false);
});
