import t from 'tap';
import { hasWildcard, matches, problemOfFilter } from '../../router/index.js';
import { naiveMatch } from './naive-matcher.js';

t.test('a topic filter may have + for a level and # for the rest', async (t) => {
  for (const filter of [
    'a',
    'a/b',
    '#',
    '+',
    '+/+',
    'a/#',
    '+/a/#',
    '/',
    '/+',
    '//#',
    '$SYS/#',
    'ä/+/日本',
  ]) {
    t.equal(problemOfFilter(filter, 64), undefined, filter);
  }
});

t.test('and nothing else: each mistake has its name', async (t) => {
  const mistakes = {
    '': 'empty',
    'a#': 'hash-in-level', // [MQTT-4.7.1-2]
    'a/b#': 'hash-in-level',
    '+#': 'plus-in-level',
    '##': 'hash-not-last',
    'a/#/b': 'hash-not-last',
    '#/': 'hash-not-last',
    'a+': 'plus-in-level', // [MQTT-4.7.1-3]
    '+a': 'plus-in-level',
    'a/+b/c': 'plus-in-level',
    '++': 'plus-in-level',
    'a\0': 'nul',
    '\udc00/+': 'not-unicode',
  };
  for (const [filter, problem] of Object.entries(mistakes))
    t.equal(problemOfFilter(filter, 64), problem, filter);
  t.equal(problemOfFilter('x'.repeat(65), 64), 'too-long');
  t.equal(problemOfFilter('日'.repeat(22), 64), 'too-long', 'bytes are counted, not characters');
  t.equal(problemOfFilter('a/b/c', 64, 3), undefined);
  t.equal(problemOfFilter('a/b/c/#', 64, 3), 'too-many-levels');
});

t.test('a filter without wildcards is an id', async (t) => {
  t.same(['a/b', '+', 'a/#', 'a/+/b', '/'].map(hasWildcard), [false, true, true, true, false]);
});

t.test('matching is as in the examples of section 4.7', async (t) => {
  const examples: [string, string, boolean][] = [
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/#', 'sport', true],
    ['sport/#', 'sports', false],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['#', '$SYS/monitor', false],
    ['+/monitor/Clients', '$SYS/monitor/Clients', false],
    ['$SYS/#', '$SYS/monitor', true],
    ['$SYS/monitor/+', '$SYS/monitor/Clients', true],
    ['ACCOUNTS', 'Accounts', false],
    ['a', 'a/', false],
    ['a/', 'a', false],
    ['+/#', 'a', true],
    ['#', '/', true],
  ];
  for (const [filter, id, expected] of examples) {
    t.equal(matches(filter, id), expected, `${filter} and ${id}`);
    t.equal(naiveMatch(filter, id), expected, 'and the test knows it, too');
  }
});
