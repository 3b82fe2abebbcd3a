import type { SeededRandom } from '../seeded-random.js';
import { randomBytes } from './framing.js';

/** Mutations that make wrong packets of right ones. By chance the result may still be right. */

type Mutation = (random: SeededRandom, packet: Buffer) => Buffer;

/** Bytes that have a meaning somewhere: ends of ranges, wildcards, ends of UTF-8's and of length's. */
const telling = [0x00, 0x01, 0x02, 0x7f, 0x80, 0x81, 0xff, 0x23, 0x24, 0x2b, 0x2f, 0xc0, 0xed, 0xf4, 0xfe];

const badText = [
  '00',
  'c080',
  'eda080',
  'f4908080',
  'ff',
  'efbbbf',
  'c3',
  'e282',
  '2b',
  '23',
  '2f2f',
  '24535953',
];

export const mutations: Record<string, Mutation> = {
  'bits flipped': (random, packet) => {
    const mutant = Buffer.from(packet);
    for (let flips = 1 + random.below(4); flips > 0; flips--) {
      mutant[random.below(mutant.length)]! ^= 1 << random.below(8);
    }
    return mutant;
  },
  'byte replaced': (random, packet) => {
    const mutant = Buffer.from(packet);
    mutant[random.below(mutant.length)] = random.pick(telling);
    return mutant;
  },
  truncated: (random, packet) => packet.subarray(0, random.below(packet.length)),
  // As one that ends where its length says, with less in it than its fields say.
  'truncated, length right': (random, packet) => {
    const mutant = Buffer.from(packet.subarray(0, 2 + random.below(Math.max(1, packet.length - 2))));
    if (mutant.length < 130) mutant[1] = mutant.length - 2;
    return mutant;
  },
  'too long by some bytes': (random, packet) => {
    const mutant = Buffer.concat([packet, randomBytes(random, 1 + random.below(8))]);
    if (mutant.length < 130) mutant[1] = mutant.length - 2;
    return mutant;
  },
  'length wrong': (random, packet) => {
    const mutant = Buffer.from(packet);
    mutant[1] = random.chance(0.5) ? mutant[1]! + random.pick([-2, -1, 1, 2]) : random.below(256);
    return mutant;
  },
  'length huge': (random, packet) => {
    const lengths = [
      'ffffff7f',
      '80808001',
      'ffff03',
      '818004',
      'ffffffff',
      '8080808001',
      'ffffffff7f',
      '80800400',
    ];
    return Buffer.concat([
      packet.subarray(0, 1),
      Buffer.from(random.pick(lengths), 'hex'),
      packet.subarray(2),
    ]);
  },
  'length in too many bytes': (random, packet) => {
    if (packet[1]! > 0x7f) return packet;
    const padding = random.pick(['00', '8000', '808000', '80808000']);
    const head = Buffer.of(packet[0]!, packet[1]! | 0x80);
    return Buffer.concat([head, Buffer.from(padding, 'hex'), packet.subarray(2)]);
  },
  'field length wrong': (random, packet) => {
    const mutant = Buffer.from(packet);
    if (mutant.length < 4) return mutant;
    const at = 2 + random.below(mutant.length - 3);
    mutant.writeUInt16BE(random.pick([0, 1, 0xffff, 0x8000, random.below(0x10000)]), at);
    return mutant;
  },
  'flags changed': (random, packet) => {
    const mutant = Buffer.from(packet);
    mutant[0] = (mutant[0]! & 0xf0) | random.below(16);
    return mutant;
  },
  'type changed': (random, packet) => {
    const mutant = Buffer.from(packet);
    mutant[0] = random.below(256);
    return mutant;
  },
  'bad text': (random, packet) => {
    const bad = Buffer.from(random.pick(badText), 'hex');
    const mutant = Buffer.from(packet);
    if (mutant.length > 4) bad.copy(mutant, 4 + random.below(mutant.length - 4));
    return mutant;
  },
  'fields swapped': (random, packet) => {
    if (packet.length < 5) return packet;
    const [a, b, c] = [2, 2, 2].map((from) => from + random.below(packet.length - 1)).sort((x, y) => x - y);
    const [head, one, two, tail] = [
      packet.subarray(0, a),
      packet.subarray(a, b),
      packet.subarray(b, c),
      packet.subarray(c),
    ];
    return Buffer.concat([head, two, one, tail]);
  },
  'piece repeated': (random, packet) => {
    const start = random.below(packet.length);
    const end = start + 1 + random.below(packet.length - start);
    return Buffer.concat([packet.subarray(0, end), packet.subarray(start)]);
  },
  'piece missing': (random, packet) => {
    const start = random.below(packet.length);
    const end = start + 1 + random.below(packet.length - start);
    return Buffer.concat([packet.subarray(0, start), packet.subarray(end)]);
  },
};

export const mutationNames = Object.keys(mutations);
