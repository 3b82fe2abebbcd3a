import t from 'tap';
import { idOfSubject, subjectOfId, subjectsOfFilter } from '../../../router/engine/nats/subject.js';
import { idBytesMaxDefault, matches, problemOfFilter, problemOfId } from '../../../router/index.js';
import { SeededRandom } from '../../seeded-random.js';
import { filterNear, longestId, randomId } from './subjects.js';

t.test('a level is a token, and what a token may not hold is percent-encoded', async (t) => {
  const table: [string, string][] = [
    ['123', '123'],
    ['user/123', 'user.123'],
    ['a//b', 'a.%.b'],
    ['/', '%.%'],
    ['//', '%.%.%'],
    ['/a', '%.a'],
    ['a/', 'a.%'],
    ['%', '%25'],
    ['10.5 kg/>*', '10%2E5%20kg.%3E%2A'],
    ['$SYS/x', '$SYS.x'],
    ['ü/\u00a0', 'ü.%C2%A0'],
    ['\u{1F30D}', '\u{1F30D}'],
    ['\ufeffa', '%EF%BB%BFa'], // a decoder of UTF-8 would take it for a byte order mark
  ];
  for (const [id, subject] of table) {
    t.equal(subjectOfId(id), subject);
    t.equal(idOfSubject(subject), id);
  }
});

t.test('filters: + is a token, # is two subjects, as > does not match the parent', async (t) => {
  t.same(subjectsOfFilter('a/b'), ['a.b']);
  t.same(subjectsOfFilter('a/+/b'), ['a.*.b']);
  t.same(subjectsOfFilter('+'), ['*']);
  t.same(subjectsOfFilter('a/#'), ['a', 'a.>']);
  t.same(subjectsOfFilter('#'), ['>']);
  t.same(subjectsOfFilter('/#'), ['%', '%.>']);
  t.same(subjectsOfFilter('/+/'), ['%.*.%']);
  t.same(subjectsOfFilter('+/#'), ['*', '*.>']);
});

t.test('every character that is legal in an id survives, alone and beside others', async (t) => {
  const broken: string[] = [];
  for (let codePoint = 1; codePoint <= 0x10ffff; codePoint++) {
    if (codePoint === 0xd800) codePoint = 0xe000;
    const character = String.fromCodePoint(codePoint);
    for (const id of [character, `a${character}b/${character}`]) {
      if (problemOfId(id, idBytesMaxDefault) !== undefined) continue;
      const subject = subjectOfId(id);
      if (idOfSubject(subject) !== id || !isSubject(subject)) broken.push(codePoint.toString(16));
    }
  }
  t.same(broken, []);
});

t.test('every legal id survives the round trip, as a subject that NATS takes, and no two meet', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);
  const idOf = new Map<string, string>();
  const broken: string[] = [];
  for (let i = 0; i < 100_000; i++) {
    const id = i % 100 === 0 ? longestId(random, idBytesMaxDefault) : randomId(random);
    if (problemOfId(id, idBytesMaxDefault) !== undefined) throw new Error(`not legal: ${JSON.stringify(id)}`);
    const subject = subjectOfId(id);
    const sound =
      isSubject(subject) && idOfSubject(subject) === id && subject.length <= 3 * idBytesMaxDefault;
    if (!sound || (idOf.get(subject) ?? id) !== id) broken.push(id);
    idOf.set(subject, id);
  }
  t.same(broken, []);
  t.ok(idOf.size > 50_000, `${idOf.size} different ones`);
});

t.test('the subjects of a filter match every id that it matches, and hardly another', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);
  const missed: unknown[] = [];
  const needless: unknown[] = [];
  let matched = 0;
  for (let i = 0; i < 100_000; i++) {
    const id = randomId(random);
    const filter = filterNear(random, id);
    if (problemOfFilter(filter, idBytesMaxDefault) !== undefined) throw new Error(`not legal: ${filter}`);
    const wanted = matches(filter, id);
    const subscriptions = subjectsOfFilter(filter);
    const got = subscriptions.some((subscription) => natsMatches(subscription, subjectOfId(id)));
    if (wanted) matched++;
    if (wanted && !got) missed.push([filter, id]);
    // Of ids that begin with a dollar alone: a first + or # does not match them, * and > do.
    if (got && !wanted && !id.startsWith('$')) needless.push([filter, id]);
    if (!subscriptions.every(isSubject)) missed.push(filter);
  }
  t.same(missed, []);
  t.same(needless, []);
  t.ok(matched > 20_000 && matched < 80_000, `${matched} of 100,000 match`);
});

t.test('a subject that is none of ours is refused, not misread', async (t) => {
  for (const subject of ['%E0%A4', 'a.%zz', '%f', '%FF', 'a.%2'])
    t.throws(() => idOfSubject(subject), URIError, subject);
});

/** What NATS takes as a subject: tokens that are not empty, without whitespace and control characters. */
function isSubject(subject: string): boolean {
  return /^[^\s\p{Cc}.]+(\.[^\s\p{Cc}.]+)*$/u.test(subject.replace(/[\u0080-\u009f]/gu, 'x'));
}

/** By the words of NATS's documentation: * is one token, > one or more at the end. */
function natsMatches(subscription: string, subject: string): boolean {
  const wanted = subscription.split('.');
  const tokens = subject.split('.');
  for (const [at, token] of wanted.entries()) {
    if (token === '>') return at < tokens.length;
    if (at >= tokens.length || (token !== '*' && token !== tokens[at])) return false;
  }
  return wanted.length === tokens.length;
}
