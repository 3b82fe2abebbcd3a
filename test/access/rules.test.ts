import t from 'tap';
import { RuleAuthorizer } from '../../access/authorizer.js';
import { nobody } from '../../access/identity.js';
import { type AccessAction, problemOfRuleFilter, type Rule, Rules } from '../../access/rules.js';

function allow(filter: string, action: Rule['action'] = 'all'): Rule {
  return { permission: 'allow', action, filter };
}

function deny(filter: string, action: Rule['action'] = 'all'): Rule {
  return { permission: 'deny', action, filter };
}

/** The rights of a user named alice with client id phone by these rules. */
function permission(
  rules: readonly Rule[],
  action: AccessAction,
  topic: string,
  user = 'alice',
  client = 'phone',
) {
  return Rules.inOrder(rules).permissionOf(user, client, action, topic);
}

t.test('an allow rule must match all topics of a filter that is subscribed to', async (t) => {
  const cases: [rule: string, filter: string, allowed: boolean][] = [
    ['a/b', 'a/b', true],
    ['a/b', 'a/+', false],
    ['a/b', '#', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a/+', true],
    ['a/+', '+/b', false],
    ['a/+', 'a/#', false],
    ['a/+', 'a', false],
    ['a/+', 'a/', true],
    ['a/+', 'a/b/c', false],
    ['+/b', 'a/b', true],
    ['+/b', '#', false],
    ['a/#', 'a', true],
    ['a/#', 'a/b/+/c', true],
    ['a/#', 'a/+/#', true],
    ['a/#', '+', false],
    ['a/#', '#', false],
    ['a/#', 'ab', false],
    ['a/+/#', 'a', false],
    ['a/+/#', 'a/b', true],
    ['a/+/#', 'a/#', false],
    ['+/#', '#', true],
    ['+/+/#', '#', false],
    ['#', '#', true],
    ['#', '+/a', true],
    ['#', '$SYS/a', false],
    ['#', '$SYS/#', false],
    ['+/a', '$SYS/a', false],
    ['+/#', '$SYS/a', false],
    ['$SYS/#', '$SYS/+', true],
    ['/a', 'a', false],
    ['/#', '/a', true],
  ];
  for (const [rule, filter, allowed] of cases) {
    const expected = allowed ? 'allow' : undefined;
    t.equal(permission([allow(rule)], 'subscribe', filter), expected, `allow ${rule}: subscribe ${filter}`);
  }
});

t.test('a deny rule must match one topic of a filter that is subscribed to', async (t) => {
  const cases: [rule: string, filter: string, denied: boolean][] = [
    ['secret/#', '#', true],
    ['secret/#', '+/a', true],
    ['secret/#', 'secret', true],
    ['secret/#', '+', true],
    ['secret/#', 'public/#', false],
    ['secret', 'secret/#', true],
    ['secret', 'secret/+', false],
    ['secret/a', 'secret/+', true],
    ['a/+/c', '+/b/#', true],
    ['a/+/c', '+/b', false],
    ['a/', 'a/+', true],
    ['a/', 'a/+/#', true],
    ['a/', '+/#', true],
    ['a/', 'a/b/#', false],
    ['$SYS/#', '#', false],
    ['$SYS/#', '+/a', false],
    ['$SYS/#', '$SYS/a', true],
    ['#', '$SYS/a', false],
    ['+/a', '$SYS/a', false],
  ];
  for (const [rule, filter, denied] of cases) {
    const expected = denied ? 'deny' : undefined;
    t.equal(permission([deny(rule)], 'subscribe', filter), expected, `deny ${rule}: subscribe ${filter}`);
  }
});

t.test(
  'the first rule that is about it decides, and deny rules come first where there is no order',
  async (t) => {
    const rules = [allow('a/b'), deny('a/#'), allow('#')];
    t.equal(permission(rules, 'publish', 'a/b'), 'allow');
    t.equal(permission(rules, 'publish', 'a/c'), 'deny');
    t.equal(permission(rules, 'subscribe', 'a/+'), 'deny');
    t.equal(permission(rules, 'subscribe', '#'), 'deny', 'it would read a/c');
    t.equal(permission(rules, 'subscribe', 'b/#'), 'allow');
    t.equal(Rules.denyFirst(rules).permissionOf(undefined, undefined, 'publish', 'a/b'), 'deny');
  },
);

t.test('a rule is for its action alone', async (t) => {
  const rules = [allow('in/#', 'publish'), allow('out/#', 'subscribe'), deny('both', 'all')];
  t.equal(permission(rules, 'publish', 'in/1'), 'allow');
  t.equal(permission(rules, 'subscribe', 'in/1'), undefined);
  t.equal(permission(rules, 'publish', 'out/1'), undefined);
  t.equal(permission(rules, 'subscribe', 'out/+'), 'allow');
  t.equal(permission(rules, 'publish', 'both'), 'deny');
  t.equal(permission(rules, 'subscribe', 'both'), 'deny');
});

t.test('%u and %c stand for the user name and the client id, as a level or a part of one', async (t) => {
  const rules = [allow('user/%u/#'), allow('dev-%c/%u-%c/x')];
  t.equal(permission(rules, 'publish', 'user/alice/x'), 'allow');
  t.equal(permission(rules, 'subscribe', 'user/alice/#'), 'allow');
  t.equal(permission(rules, 'subscribe', 'user/+/x'), undefined);
  t.equal(permission(rules, 'publish', 'user/alice2/x'), undefined);
  t.equal(permission(rules, 'publish', 'user/al/x'), undefined);
  t.equal(permission(rules, 'publish', 'dev-phone/alice-phone/x'), 'allow');
  t.equal(permission(rules, 'publish', 'dev-phone/alice-phones/x'), undefined);
  t.equal(permission([allow('100%')], 'publish', '100%'), 'allow', 'a percent sign alone is itself');
  t.equal(permission([allow('%x')], 'publish', '%x'), 'allow');
  t.equal(permission([deny('%u/#')], 'subscribe', '+/x'), 'deny');
});

t.test('a name with a wildcard or a slash, or an empty one, widens no rule', async (t) => {
  const allows = [allow('user/%u'), allow('user/%u/#'), allow('%u/#'), allow('a-%u')];
  for (const name of ['+', '#', 'a/b', '/', 'alice/#', '', 'a\0']) {
    for (const topic of [
      'user/alice',
      'user/a/b',
      'user/a/b/c',
      'user/',
      'user/+',
      'user/#',
      '#',
      '+/x',
      'a-a',
      'a-',
    ])
      for (const action of ['publish', 'subscribe'] as const)
        t.equal(
          permission(allows, action, topic, name),
          undefined,
          `${JSON.stringify(name)} ${action} ${topic}`,
        );
    // A deny rule that cannot be filled in denies all that begins as it does.
    t.equal(permission([deny('user/%u/x')], 'publish', 'user/b/y', name), 'deny', name);
    t.equal(permission([deny('user/%u')], 'subscribe', '+/+', name), 'deny', name);
    t.equal(permission([deny('user/%u')], 'publish', 'other/b', name), undefined, name);
  }
});

t.test('a user named $SYS does not get the topics of the server', async (t) => {
  t.equal(permission([allow('%u/#')], 'subscribe', '$SYS/#', '$SYS'), undefined);
  t.equal(permission([allow('%u/#')], 'subscribe', '$SYS/broker/load', '$SYS'), undefined);
  t.equal(permission([allow('user/%u')], 'subscribe', 'user/$SYS', '$SYS'), 'allow');
});

t.test('where there is no such name, a rule with it is about nobody', async (t) => {
  const rules = Rules.inOrder([deny('a/%c/#'), allow('a/%u/#'), allow('b/#')]);
  t.equal(rules.permissionOf(undefined, undefined, 'publish', 'a/x'), undefined);
  t.equal(rules.permissionOf(undefined, undefined, 'publish', 'b/x'), 'allow');
});

t.test('a rule whose filter is none is refused with a sentence', async (t) => {
  for (const bad of ['', 'a/#/b', 'a#', '#a', 'a+', '+a/b', 'a/b+', 'a\0', 'x'.repeat(65_536)]) {
    t.type(problemOfRuleFilter(bad), 'string', bad.slice(0, 10));
    t.throws(() => Rules.inOrder([allow(bad)]), RangeError);
  }
  for (const good of ['#', '+', '+/+', '/', 'a/+/#', '%u', '%u/%c', 'x'.repeat(65_535), 'grüße/😀'])
    t.equal(problemOfRuleFilter(good), undefined, good.slice(0, 10));
  t.equal(permission([allow('x'.repeat(65_535))], 'publish', 'x'.repeat(65_535)), 'allow');
  t.equal(permission([allow('grüße/😀/%u')], 'publish', 'grüße/😀/alice'), 'allow');
});

t.test('no rule means no, unless it is said otherwise; superusers have no rules', async (t) => {
  const strict = new RuleAuthorizer([], 'deny');
  const lenient = new RuleAuthorizer([], 'allow');
  const alice = { ...nobody, userName: 'alice', rules: Rules.inOrder([deny('a'), allow('b')]) };
  t.equal(strict.allows(alice, undefined, 'publish', 'b'), true);
  t.equal(strict.allows(alice, undefined, 'publish', 'c'), false);
  t.equal(lenient.allows(alice, undefined, 'publish', 'c'), true);
  t.equal(lenient.allows(alice, undefined, 'publish', 'a'), false);
  t.equal(strict.allows(nobody, undefined, 'subscribe', 'b'), false);
  const common = new RuleAuthorizer([allow('a'), allow('user/%u')], 'deny');
  t.equal(common.allows(alice, undefined, 'publish', 'user/alice'), true);
  t.equal(common.allows(alice, undefined, 'publish', 'user/bob'), false);
  t.equal(
    common.allows(alice, undefined, 'publish', 'a'),
    false,
    'its own rules come before an allow of all',
  );
  t.equal(strict.allows({ ...alice, isSuperuser: true }, undefined, 'publish', 'a'), true);
});

t.test('what is denied to all is denied, whatever the rules of a user allow', async (t) => {
  const common = [allow('public/#'), deny('secret/#'), allow('secret/open'), deny('user/%u/log', 'publish')];
  const authorizer = new RuleAuthorizer(common, 'allow');
  const own = [deny('public/x'), allow('secret/x'), allow('#')];
  const alice = { ...nobody, userName: 'alice', rules: Rules.inOrder(own) };
  const allowed = (action: AccessAction, topic: string) => authorizer.allows(alice, undefined, action, topic);
  t.equal(allowed('publish', 'secret/x'), false);
  t.equal(allowed('subscribe', 'secret/open'), false, 'wherever the deny rule stands');
  t.equal(allowed('subscribe', '#'), false, 'it would read secret/x');
  t.equal(allowed('publish', 'user/alice/log'), false);
  t.equal(allowed('subscribe', 'user/alice/log'), true);
  t.equal(allowed('publish', 'public/x'), false, 'its own rules come before an allow of all');
  t.equal(allowed('publish', 'public/y'), true);
  t.equal(authorizer.allows({ ...alice, isSuperuser: true }, undefined, 'publish', 'secret/x'), true);
});
