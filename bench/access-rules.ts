import { RuleAuthorizer } from '../access/authorizer.js';
import { type Identity, UserIdentity } from '../access/identity.js';
import { type AccessAction, type Rule, Rules } from '../access/rules.js';

/**
 * What do rules add to a publish or a subscription? ns of CPU time a check, for a device with 20 rules of its own and for
 * one that shares a rule with all.
 *
 *     npm run build && node dist/bench/access-rules.js
 */

const checks = 2_000_000;
const own = Array.from(
  { length: 20 },
  (_, n): Rule => ({
    permission: n === 0 ? 'deny' : 'allow',
    action: n % 2 === 0 ? 'publish' : 'subscribe',
    filter: n % 5 === 4 ? `site/12/device/4711/group-${n}/#` : `site/12/device/4711/value-${n}`,
  }),
);
const shared: Rule[] = [{ permission: 'allow', action: 'all', filter: 'site/+/device/%u/#' }];

const shapes: {
  name: string;
  rules: readonly Rule[];
  action: AccessAction;
  topic: string;
  allowed: boolean;
}[] = [
  {
    name: '20 rules, the last allows',
    rules: own,
    action: 'subscribe',
    topic: 'site/12/device/4711/group-19/a',
    allowed: true,
  },
  {
    name: '20 rules, none is about it',
    rules: own,
    action: 'publish',
    topic: 'site/12/device/4711/value',
    allowed: false,
  },
  {
    name: '20 rules, another device',
    rules: own,
    action: 'publish',
    topic: 'site/12/device/4712/value-2',
    allowed: false,
  },
  {
    name: '20 rules, a filter',
    rules: own,
    action: 'subscribe',
    topic: 'site/12/device/4711/group-19/+',
    allowed: true,
  },
  {
    name: 'one rule with %u',
    rules: shared,
    action: 'publish',
    topic: 'site/12/device/4711/value-18',
    allowed: true,
  },
];

const authorizer = new RuleAuthorizer([], 'deny');
console.log(`Node ${process.version}, ${checks} checks`);
for (const { name, rules, action, topic, allowed } of shapes) {
  const identity = new UserIdentity('4711', Rules.inOrder(rules));
  run(identity, action, topic, 200_000); // warm
  const before = process.cpuUsage();
  const found = run(identity, action, topic, checks);
  const { user, system } = process.cpuUsage(before);
  if (found !== (allowed ? checks : 0)) throw new Error(`${name}: ${found} allowed`);
  console.log(`${name.padEnd(28)} ${(((user + system) * 1000) / checks).toFixed(0).padStart(6)} ns`);
}

function run(identity: Identity, action: AccessAction, topic: string, count: number): number {
  let allowed = 0;
  for (let n = 0; n < count; n++) if (authorizer.allows(identity, '4711', action, topic)) allowed++;
  return allowed;
}
