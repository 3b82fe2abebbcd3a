import * as bytes from '../conformance/mqtt-3.1.1/packet-bytes.js';
import type { SeededRandom } from '../seeded-random.js';
import { brokenFrames } from './frame-cases.js';
import { inFrames, inWrites, pieces, randomBytes } from './framing.js';
import { mutationNames, mutations } from './mutations.js';
import type { Speaker } from './speaker.js';
import { unexpectedPackets } from './unexpected-packets.js';

/** One thing that is done to the server on an open connection. */
export interface Case {
  kind: string;
  /** Bytes for the socket, in separate writes. */
  writes: Buffer[];
  /** The bytes of MQTT in it; undefined where the frames are so that nobody can say. */
  mqtt?: Buffer;
  /** The answers that must come, in order, and the connection must live on; undefined where that is not known. */
  replies?: string[];
  /**
   * How the case ends: `sync` asks with a ping whether the connection lives; `unsure` too, but the ping may be taken
   * for the rest of an unfinished frame; `reset` and `half-close` leave right after the last write.
   */
  ending: 'sync' | 'unsure' | 'reset' | 'half-close';
}

export interface CaseContext {
  random: SeededRandom;
  speaker: Speaker;
  /** CONNACK has come. */
  connected: boolean;
  /** The server expects a packet's first byte next. */
  inStep: boolean;
}

type MakeCase = (context: CaseContext) => Case;

const connectedCases: [weight: number, make: MakeCase][] = [
  [30, conversation],
  [30, mutated],
  [8, unexpected],
  [4, noise],
  [4, hugeLength],
  [3, manyPackets],
  [13, ({ random }) => brokenFrames(random)],
  [5, leftMidway],
  [3, goodBye],
];
/** Each as often as its weight says. */
const drawn = connectedCases.flatMap(([weight, make]) => Array.from({ length: weight }, () => make));

export function nextCase(context: CaseContext): Case {
  const { random, connected, inStep } = context;
  if (!connected && inStep) return random.chance(0.85) ? beginning(context) : tooEarly(context);
  const made = random.pick(drawn)(context);
  if (!inStep) delete made.replies;
  return made;
}

/** CONNECT, and perhaps more in the same breath. */
function beginning({ random, speaker }: CaseContext): Case {
  const spoken = [speaker.connect(), ...speaker.conversation(random.pick([0, 0, 1, 5]))];
  return talk('CONNECT', random, spoken);
}

function conversation({ random, speaker }: CaseContext): Case {
  return talk('conversation', random, speaker.conversation(1 + random.below(10)));
}

function manyPackets({ random, speaker }: CaseContext): Case {
  return talk('many packets', random, speaker.conversation(10 + random.below(90)));
}

function talk(kind: string, random: SeededRandom, spoken: { packet: Buffer; reply?: string }[]): Case {
  const packets = spoken.map(({ packet }) => packet);
  const replies = spoken.flatMap(({ reply }) => reply ?? []);
  return { ...framed(kind, random, packets), replies };
}

function framed(kind: string, random: SeededRandom, packets: readonly Buffer[]): Case {
  const writes = inWrites(random, inFrames(random, packets));
  return { kind, writes, mqtt: Buffer.concat(packets), ending: 'sync' };
}

/** A right packet made wrong, sometimes among right ones. */
function mutated({ random, speaker }: CaseContext): Case {
  const name = random.pick(mutationNames);
  const { packet } = random.chance(0.04) ? speaker.connect() : speaker.next();
  let mutant = mutations[name]!(random, packet);
  if (random.chance(0.1) && mutant.length > 0)
    mutant = mutations[random.pick(mutationNames)]!(random, mutant);
  const packets: Buffer[] = [mutant];
  if (random.chance(0.2)) packets.unshift(speaker.next().packet);
  if (random.chance(0.2)) packets.push(speaker.next().packet);
  return framed(`mutated: ${name}`, random, packets);
}

function tooEarly(context: CaseContext): Case {
  const { random, speaker } = context;
  const way = random.below(10);
  if (way < 2) return framed('before CONNECT', random, [speaker.next().packet]);
  if (way < 3) return noise(context);
  if (way < 4) return brokenFrames(random);
  if (way < 5) return leftMidway(context);
  const name = random.pick(mutationNames);
  return framed(`CONNECT, ${name}`, random, [mutations[name]!(random, speaker.connect().packet)]);
}

function unexpected(context: CaseContext): Case {
  const { random, speaker } = context;
  const packets = unexpectedPackets(random, speaker);
  if (random.chance(0.2)) packets.unshift(speaker.next().packet);
  return framed('unexpected packet', random, packets);
}

function noise({ random }: CaseContext): Case {
  return framed('random bytes', random, [
    randomBytes(random, 1 + random.below(random.chance(0.1) ? 5000 : 60)),
  ]);
}

/** A length is announced, and little of it comes, or more of it than is allowed. */
function hugeLength({ random }: CaseContext): Case {
  const lengths = ['ffff7f', '808004', '818004', 'ffff03', '80808001', 'ffffff7f', 'c0843d', '00', '7f'];
  const head = Buffer.concat([
    Buffer.of(random.pick([0x30, 0x32, 0x82, 0x10])),
    Buffer.from(random.pick(lengths), 'hex'),
  ]);
  const begun = randomBytes(random, random.chance(0.05) ? random.below(66_000) : random.below(300));
  return framed('huge length', random, [head, begun]);
}

/** Gone in the middle of a frame or of a packet. */
function leftMidway({ random, speaker }: CaseContext): Case {
  const whole = Buffer.concat(inFrames(random, [speaker.next().packet, speaker.next().packet]));
  const part = whole.subarray(0, random.below(whole.length));
  const writes = random.chance(0.5) ? [part] : pieces(random, part, 2);
  const ending = random.chance(0.7) ? 'reset' : 'half-close';
  return { kind: `left midway: ${ending}`, writes, ending };
}

function goodBye({ random, speaker }: CaseContext): Case {
  const packets: Buffer[] = [bytes.disconnect()];
  if (random.chance(0.5))
    packets.unshift(...speaker.conversation(1 + random.below(5)).map(({ packet }) => packet));
  if (random.chance(0.3)) packets.push(speaker.next().packet);
  return framed('DISCONNECT', random, packets);
}
