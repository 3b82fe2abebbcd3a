import type { SeededRandom } from '../seeded-random.js';
import type { Case } from './cases.js';
import { frame, opcodes } from './frames.js';
import { inWrites, randomBytes } from './framing.js';

/** Cases of the WebSocket alone, most of them wrong. */

type MakeFrames = (random: SeededRandom) => Omit<Case, 'writes'> & { frames: Buffer[] };

const nothing = Buffer.alloc(0);

const makers: MakeFrames[] = [
  (random) => {
    const payloads = Array.from({ length: 1 + random.below(5) }, () =>
      randomBytes(random, random.below(126)),
    );
    return {
      kind: 'pings',
      frames: payloads.map((payload) => frame(random, payload, { opcode: opcodes.ping })),
      replies: payloads.map((payload) => `PONG ${payload.toString('hex')}`),
      ending: 'sync',
    };
  },
  (random) => ({
    kind: 'pongs nobody asked for',
    frames: [frame(random, randomBytes(random, random.below(126)), { opcode: opcodes.pong })],
    replies: [],
    ending: 'sync',
  }),
  (random) => ({
    kind: 'empty frames',
    frames: [
      frame(random, nothing, { opcode: opcodes.binary }),
      frame(random, nothing, { opcode: opcodes.binary }),
    ],
    replies: [],
    ending: 'sync',
  }),
  (random) => ({
    kind: 'text frame',
    frames: [frame(random, text(random), { opcode: opcodes.text, final: random.chance(0.8) })],
    ending: 'sync',
  }),
  (random) => ({ kind: 'close frame', frames: [closeFrame(random)], ending: 'sync' }),
  (random) => ({
    kind: 'reserved bits',
    frames: [frame(random, nothing, { opcode: anyOpcode(random), reserved: 1 + random.below(7) })],
    ending: 'sync',
  }),
  (random) => ({
    kind: 'reserved opcode',
    frames: [
      frame(random, randomBytes(random, 4), { opcode: random.pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) }),
    ],
    ending: 'sync',
  }),
  (random) => ({
    kind: 'control frame in parts or too long',
    frames: [
      frame(random, randomBytes(random, random.chance(0.5) ? 10 : 126 + random.below(200)), {
        opcode: random.pick([opcodes.ping, opcodes.pong, opcodes.close]),
        final: random.chance(0.5),
      }),
    ],
    ending: 'unsure',
  }),
  (random) => ({
    kind: 'continuation of nothing',
    frames: [
      frame(random, randomBytes(random, 3), { opcode: opcodes.continuation, final: random.chance(0.5) }),
    ],
    ending: 'sync',
  }),
  (random) => ({
    kind: 'message inside a message',
    frames: [
      frame(random, nothing, { opcode: opcodes.binary, final: false }),
      frame(random, nothing, { opcode: random.pick([opcodes.binary, opcodes.text]) }),
    ],
    ending: 'sync',
  }),
  (random) => ({
    kind: 'unmasked frame',
    frames: [
      frame(random, randomBytes(random, 2 + random.below(60)), { opcode: anyOpcode(random), masked: false }),
    ],
    ending: 'unsure',
  }),
  (random) => ({
    kind: 'length in too many bytes',
    frames: [
      frame(random, randomBytes(random, 2), { opcode: opcodes.ping, lengthBytes: random.pick([2, 8]) }),
    ],
    ending: 'unsure',
  }),
  (random) => ({
    kind: 'length that lies',
    frames: [
      frame(random, randomBytes(random, random.below(100)), {
        opcode: opcodes.binary,
        announced: random.pick([
          0,
          1,
          200,
          65_535,
          262_144,
          262_145,
          2 ** 31,
          2 ** 32,
          2n ** 63n,
          2n ** 64n - 1n,
        ]),
      }),
    ],
    ending: 'unsure',
  }),
  (random) => ({
    kind: 'no frame at all',
    frames: [randomBytes(random, 1 + random.below(40))],
    ending: 'unsure',
  }),
];

/** Where it is not known what must be answered, nobody can say either what the server takes for the next packet's first byte. */
export function brokenFrames(random: SeededRandom): Case {
  const { frames, ...made } = random.pick(makers)(random);
  const writes = inWrites(random, frames);
  return made.replies === undefined ? { ...made, writes } : { ...made, writes, mqtt: nothing };
}

function anyOpcode(random: SeededRandom): number {
  return random.pick(Object.values(opcodes));
}

function text(random: SeededRandom): Buffer {
  return random.chance(0.5) ? Buffer.from('{"hello":"☄"}') : randomBytes(random, 1 + random.below(30));
}

/** With every kind of code, with none, with half a one, with a reason that is no text. */
function closeFrame(random: SeededRandom): Buffer {
  const codes = [
    0, 1, 999, 1000, 1001, 1004, 1005, 1006, 1007, 1011, 1015, 1016, 2999, 3000, 4999, 5000, 65_535,
  ];
  const code = Buffer.alloc(2);
  code.writeUInt16BE(random.pick(codes));
  const reason = random.chance(0.5) ? nothing : randomBytes(random, random.below(124));
  const payload = random.chance(0.1) ? randomBytes(random, random.below(2)) : Buffer.concat([code, reason]);
  return frame(random, payload, { opcode: opcodes.close });
}
