import type { SeededRandom } from '../../seeded-random.js';

/** Random topics of all shapes that are legal, with what is special to MQTT, NATS, JavaScript or UTF-8 far more often. */

const whitespace = [
  ...'\t\n\v\f\r \u0085\u00a0\u1680\u180e\u2000\u2003\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff',
];
const special = [
  ..."%.*>$_-~!'()\u0001\u001f\u007f\u0080\u00e9\u07ff\u0800\ud7ff\ue000\ufffd\uffff",
  '\u{10000}',
  '\u{10ffff}',
  '\u{1F30D}',
  '%20',
  '%2E',
  '%%',
  '..',
  '*>',
];
const plain = [...'abcXYZ019', 'user', 'room'];

export function randomLevel(random: SeededRandom, partsMax = 4): string {
  let level = '';
  for (let parts = random.below(partsMax + 1); parts > 0; parts--) level += randomPart(random);
  return level;
}

export function randomId(random: SeededRandom, levelsMax = 6): string {
  for (;;) {
    const levels = Array.from({ length: 1 + random.below(levelsMax) }, () => randomLevel(random));
    const id = levels.join('/');
    if (id !== '') return id;
  }
}

/** As long as an id may be, to the byte. */
export function longestId(random: SeededRandom, bytes: number, partOf = randomPart): string {
  let id = '';
  for (;;) {
    const part = partOf(random);
    const left = bytes - Buffer.byteLength(id + part);
    if (left < 0) return id + 'x'.repeat(bytes - Buffer.byteLength(id));
    id += part;
  }
}

/** A filter near to an id, so that it matches it in about half of all cases. */
export function filterNear(random: SeededRandom, id: string): string {
  const levels = id.split('/');
  for (const at of levels.keys()) {
    if (random.chance(0.3)) levels[at] = '+';
    else if (random.chance(0.15)) levels[at] = randomLevel(random);
  }
  if (random.chance(0.15)) levels.push(randomLevel(random));
  if (random.chance(0.3)) levels.splice(random.below(levels.length + 1), Infinity, '#');
  const filter = levels.join('/');
  return filter === '' ? '+' : filter;
}

function randomPart(random: SeededRandom): string {
  const kind = random.below(8);
  if (kind < 3) return random.pick(plain);
  if (kind < 5) return random.pick(special);
  if (kind < 6) return random.pick(whitespace);
  if (kind < 7) return String.fromCharCode(0x20 + random.below(0x5f)).replace(/[+#/]/, '&');
  return randomCharacter(random);
}

function randomCharacter(random: SeededRandom): string {
  const codePoint = 1 + random.below(0x10ffff);
  const surrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
  const wildcard = codePoint === 0x23 || codePoint === 0x2b || codePoint === 0x2f;
  return surrogate || wildcard ? 'ß' : String.fromCodePoint(codePoint);
}
