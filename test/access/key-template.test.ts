import t from 'tap';
import {
  globOf,
  hasJoinedNames,
  isAmbiguous,
  isFilled,
  keyOf,
  namesInKeyOf,
} from '../../access/key-template.js';
import { problemOfNames, warningsOfNames } from '../../access/user-names.js';

t.test('a key with two names is that of one user alone', async (t) => {
  const template = 'user:%u::%c';
  const keys = new Map<string, string>();
  const names = ['', 'a', 'b', ':', '::', 'a:', ':a', 'a::', '::a', 'a::b', 'a:b', ':::', '%c', '%u'];
  let refused = 0;
  for (const userName of names) {
    for (const clientId of names) {
      if (!isFilled(template, { userName, clientId })) {
        refused++;
        continue;
      }
      const key = keyOf(template, { userName, clientId });
      const names = JSON.stringify([userName, clientId]);
      t.equal(keys.get(key) ?? names, names, key);
      keys.set(key, names);
    }
  }
  t.ok(keys.size >= 25 && refused > 50, `${keys.size} are keys, ${refused} are refused`);
  t.equal(isAmbiguous('%u:%c', { userName: 'a:b', clientId: 'c' }), true);
  t.equal(isAmbiguous('%u:%c', { userName: 'a', clientId: 'b:c' }), true);
  t.equal(isAmbiguous('mqtt_user:%u', { userName: 'a:b', clientId: 'c:d' }), false, 'one name is never');
  t.equal(isAmbiguous('%u/%u', { userName: 'a/b' }), false, 'nor the same one twice');
  t.equal(hasJoinedNames('x%u%c'), true);
  t.equal(hasJoinedNames('%u-%c'), false);
  t.equal(hasJoinedNames('%u%u'), false);
});

t.test('names are found again in their key, whatever stands in it', async (t) => {
  for (const [template, userName, clientId] of [
    ['mqtt_user:%u', 'a\nb', undefined],
    ['[x]*.?\\%u', '(y)$', undefined],
    ['%u', 'mqtt_user:x', undefined],
    ['d:%c:u:%u:%c', 'alice', '$&'],
  ] as const) {
    const key = keyOf(template, { userName, ...(clientId === undefined ? {} : { clientId }) });
    const found = namesInKeyOf(template)(key)!;
    t.equal(found.userName, userName);
    t.equal(found.clientId, clientId);
  }
  t.equal(namesInKeyOf('mqtt_user:%u')('mqtt_acl:x'), undefined);
  t.equal(globOf('a*[b]?\\%u:%c'), 'a\\*\\[b\\]\\?\\\\*:*');
});

t.test('names that cannot log in, and names that can do less, are told', async (t) => {
  const keys = ['mqtt_user:%u', 'mqtt_acl:%u'];
  t.equal(problemOfNames(keys, { userName: 'a:b' }), undefined);
  t.match(problemOfNames(keys, { userName: '' }), /at least one character/);
  t.match(problemOfNames(keys, { userName: 'x'.repeat(1025) }), /1024 bytes/);
  t.match(problemOfNames(keys, { userName: 'a\0b' }), /NUL/);
  t.match(problemOfNames(keys, { userName: '\ud800' }), /UTF-8/);
  t.match(problemOfNames(['%u:%c'], { userName: 'a:b', clientId: 'c' }), /separates/);
  t.same(warningsOfNames({ userName: 'alice' }), []);
  for (const name of ['a/b', '+', 'x#']) t.match(warningsOfNames({ userName: name })[0], /allow nothing/);
  t.match(warningsOfNames({ clientId: 'a/b' })[0], /%c/);
  t.match(warningsOfNames({ userName: 'a:b' })[0], /over HTTP/);
});
