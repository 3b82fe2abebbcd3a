import t from 'tap';
import { RuleAuthorizer } from '../../access/authorizer.js';
import { nobody } from '../../access/identity.js';
import { type AccessAction, type Permission, type Rule, Rules } from '../../access/rules.js';
import { SeededRandom } from '../seeded-random.js';

/**
 * Rules against a model that knows no shortcuts: it lists all topics of a small world, and looks which of them a filter
 * matches. The world has deeper topics than the filters, and a level that no filter names, so what holds in it
 * holds everywhere.
 */

const levels = ['a', 'b', '', 'aa', 'ab', 'a$s', '$s', 'other'];
const topics = worldOf(4);
const shortTopics = topics.filter((topic) => topic.length < 4);
const names = ['a', 'b', '$s', 'a/b', '+', '#', '', undefined];
const ruleLevels = ['a', 'b', '', 'ab', '$s', '+', '+', '%u', '%c', 'a%u'];
const filterLevels = ['a', 'b', '', 'ab', '$s', '+', '+'];
const rounds = 1_000;
const pairRounds = 300;

function worldOf(depth: number): string[][] {
  const all: string[][] = [];
  let longest: string[][] = [[]];
  for (let length = 1; length <= depth; length++) {
    longest = longest.flatMap((topic) => levels.map((level) => [...topic, level]));
    all.push(...longest);
  }
  return all.filter((topic) => topic.join('/') !== ''); // a topic has a character
}

type Level = (level: string) => boolean;

/** The levels of a rule; undefined where it can be about nobody. `rest`: from there on it is about everything. */
function parse(
  filter: string,
  permission: Permission,
  user: string | undefined,
  client: string | undefined,
): { levels: Level[]; rest: boolean } | undefined {
  if (filter.includes('%u') && user === undefined) return undefined;
  if (filter.includes('%c') && client === undefined) return undefined;
  const parsed: Level[] = [];
  for (const [index, level] of filter.split('/').entries()) {
    if (level === '#') return { levels: parsed, rest: true };
    if (level === '+') parsed.push((given) => index > 0 || !given.startsWith('$'));
    else if (!/%[uc]/.test(level)) parsed.push((given) => given === level);
    else {
      const name = (level.endsWith('%u') ? user : client)!;
      const fixed = level.slice(0, -2);
      const unsafe = name === '' || /[/+#]/.test(name);
      if (unsafe && permission === 'allow') return undefined;
      if (unsafe) {
        parsed.push((given) => given.startsWith(fixed));
        return { levels: [...parsed], rest: true };
      }
      if (permission === 'allow' && index === 0 && fixed === '' && name.startsWith('$')) return undefined;
      parsed.push((given) => given === fixed + name);
    }
  }
  return { levels: parsed, rest: false };
}

function matches(filter: { levels: Level[]; rest: boolean } | undefined, topic: readonly string[]): boolean {
  if (filter === undefined) return false;
  if (filter.rest ? topic.length < filter.levels.length : topic.length !== filter.levels.length) return false;
  if (filter.rest && filter.levels.length === 0) return !topic[0]!.startsWith('$');
  return filter.levels.every((level, index) => level(topic[index]!));
}

function expected(
  rules: readonly Rule[],
  user: string | undefined,
  client: string | undefined,
  action: AccessAction,
  filter: string,
): Permission | undefined {
  const wanted = topics.filter((topic) => matches(parse(filter, 'allow', undefined, undefined), topic));
  return rules.find((rule) => {
    if (rule.action !== 'all' && rule.action !== action) return false;
    const parsed = parse(rule.filter, rule.permission, user, client);
    const isAbout = (topic: string[]) => matches(parsed, topic);
    return rule.permission === 'allow' ? wanted.every(isAbout) : wanted.some(isAbout);
  })?.permission;
}

t.test(`${rounds} random lists of rules decide as the model does`, async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  let decided = 0;
  for (let round = 0; round < rounds; round++) {
    const rules = rulesOf(random);
    const [user, client] = [random.pick(names), random.pick(names)];
    const action = random.pick(['publish', 'subscribe'] as const);
    const filter = action === 'publish' ? random.pick(shortTopics).join('/') : filterOf(random, filterLevels);
    const actual = Rules.inOrder(rules).permissionOf(user, client, action, filter);
    const wanted = expected(rules, user, client, action, filter);
    if (wanted !== undefined) decided++;
    if (actual === wanted) continue;
    t.fail(`${JSON.stringify({ rules, user, client, action, filter })}: ${actual}, and should be ${wanted}`);
    return;
  }
  t.ok(decided > rounds / 5, `${decided} were about it`);
});

t.test(
  `${pairRounds} random pairs of lists: denied to all, then of the user, then allowed to all`,
  async (t) => {
    const random = new SeededRandom();
    t.comment(`ENCKE_TEST_SEED=${random.seed}`);
    let denied = 0;
    for (let round = 0; round < pairRounds; round++) {
      const [common, own] = [rulesOf(random), rulesOf(random)];
      const [user, client] = [random.pick(names), random.pick(names)];
      const action = random.pick(['publish', 'subscribe'] as const);
      const filter =
        action === 'publish' ? random.pick(shortTopics).join('/') : filterOf(random, filterLevels);
      const nomatch = random.pick(['allow', 'deny'] as const);
      const identity = { ...nobody, userName: user, rules: Rules.inOrder(own) };
      const actual = new RuleAuthorizer(common, nomatch).allows(identity, client, action, filter);
      const permissionBy = (rules: readonly Rule[]) => expected(rules, user, client, action, filter);
      const [denies, allows] = [common.filter(isDeny), common.filter((rule) => !isDeny(rule))];
      const wanted = permissionBy(denies) ?? permissionBy(own) ?? permissionBy(allows) ?? nomatch;
      if (permissionBy(denies) === 'deny' && permissionBy(own) === 'allow') denied++;
      if (actual === (wanted === 'allow')) continue;
      t.fail(
        `${JSON.stringify({ common, own, user, client, action, filter, nomatch })}: should be ${wanted}`,
      );
      return;
    }
    t.ok(denied > 0, `${denied} were denied to all and allowed to the user`);
  },
);

function isDeny({ permission }: Rule): boolean {
  return permission === 'deny';
}

function rulesOf(random: SeededRandom): Rule[] {
  return Array.from({ length: 1 + random.below(3) }, () => ({
    permission: random.pick(['allow', 'allow', 'deny'] as const),
    action: random.pick(['publish', 'subscribe', 'all'] as const),
    filter: filterOf(random, ruleLevels),
  }));
}

/** At most three levels. */
function filterOf(random: SeededRandom, from: readonly string[]): string {
  const parts = Array.from({ length: 1 + random.below(3) }, () => random.pick(from));
  if (random.chance(0.3)) parts[parts.length - 1] = '#';
  const filter = parts.join('/');
  return filter === '' ? filterOf(random, from) : filter;
}
