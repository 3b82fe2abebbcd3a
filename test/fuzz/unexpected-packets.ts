import * as bytes from '../conformance/mqtt-3.1.1/packet-bytes.js';
import type { SeededRandom } from '../seeded-random.js';
import type { Speaker } from './speaker.js';

/** Packets that are well-formed, or nearly, and come at the wrong time, twice, from the wrong side, or about nothing. */
export function unexpectedPackets(random: SeededRandom, speaker: Speaker): Buffer[] {
  const id = random.pick([1, 2, 3, 100, 0xffff]);
  switch (random.below(12)) {
    case 0:
      return [speaker.connect().packet];
    case 1: {
      const { packet } = speaker.next();
      return Array.from({ length: 2 + random.below(20) }, () => packet);
    }
    case 2: // what only a server says
      return [bytes.packet(random.pick([0x20, 0x90, 0xb0, 0xd0]), Buffer.of(0, 0))];
    case 3: // types that are reserved
      return [bytes.packet(random.pick([0x00, 0xf0, 0x0f, 0xff]), Buffer.of(1, 2, 3))];
    case 4: {
      // Acknowledgements of nothing, in the wrong order. Of an id that the server does not come to: the PUBCOMP that is owed
      // for its PUBREL would else be out of turn for a message that has got that id meanwhile, and end the connection later.
      const of = 50_000 + random.below(10_000);
      return [bytes.pubcomp(of), bytes.pubrec(of), bytes.puback(of), bytes.pubrel(of), bytes.pubrec(of)];
    }
    case 5:
      return [random.pick([bytes.puback, bytes.pubrec, bytes.pubrel, bytes.pubcomp])(0)];
    case 6: // without what they are about
      return [
        random.pick([bytes.subscribe(id), bytes.unsubscribe(id), bytes.packet(0x82), bytes.packet(0x32)]),
      ];
    case 7:
      return [
        bytes.subscribe(id, [
          random.pick(['', 'a/#/b', 'a+', 'x#', '/', '//+//', '+', '$SYS/#']),
          random.below(5),
        ]),
      ];
    case 8:
      return [bytes.publish(random.pick(['', 'a/+/b', '#', '$SYS/x', '/', 'a\0b', 'x'.repeat(2000)]), 'x')];
    case 9: // very many filters, very many levels
      return random.chance(0.5)
        ? [bytes.subscribe(id, ...Array.from({ length: 300 }, (_, n): [string, number] => [`many/${n}`, 1]))]
        : [bytes.subscribe(id, ['/'.repeat(random.pick([100, 127, 128, 1000, 5000])), 1])];
    case 10: // more at QoS 2 than is remembered
      return Array.from({ length: random.pick([20, 120]) }, (_, n) =>
        bytes.publish('f/0/0', '', { qos: 2, id: n + 1 }),
      );
    default: // QoS 3; DUP at QoS 0
      return [Buffer.from([random.pick([0x36, 0x3e, 0x38, 0x37]), 5, 0, 1, 0x61, 0, 1])];
  }
}
