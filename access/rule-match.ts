/**
 * How the filter of a rule relates to a topic, or to a filter that is subscribed to. Both walk through the two texts at
 * once, without an allocation: a publish is checked against some twenty rules. The rule is a part of a longer string.
 */

/** The names for `%u` and `%c`. Undefined: there is no such name. '': it has a wildcard or a slash in it, or nothing. */
export interface Names {
  readonly user: string | undefined;
  readonly client: string | undefined;
}

const dollar = 0x24;
const hash = 0x23;
const plus = 0x2b;
const slash = 0x2f;
const percent = 0x25;
const letterU = 0x75;
const letterC = 0x63;

/** Whether each topic that `text` matches is matched by the rule. `text` is a valid topic or filter. */
export function coversAll(rules: string, from: number, end: number, text: string, names: Names): boolean {
  let at = from;
  let t = 0;
  while (at < end) {
    const code = rules.charCodeAt(at);
    if (code === hash) return t > 0 || text.charCodeAt(0) !== dollar; // [MQTT-4.7.2-1]
    if (code === plus) {
      if (t === 0 && text.charCodeAt(0) === dollar) return false;
      // "+" is less than "#"; only "+/#" is as much, as a topic has a first level.
      if (text.charCodeAt(t) === hash) return t === 0 && isParentOfHash(rules, at + 1, end);
      t = levelEnd(text, t, text.length);
      at++;
    } else if (isPlaceholder(rules, at, end)) {
      const name = nameAt(rules, at, names);
      if (name === undefined || name === '' || !text.startsWith(name, t)) return false;
      if (t === 0 && name.charCodeAt(0) === dollar) return false; // a user named $SYS
      t += name.length;
      at += 2;
    } else if (t === text.length) {
      return isParentOfHash(rules, at, end);
    } else if (code === text.charCodeAt(t)) {
      t++;
      at++;
    } else return false;
  }
  return t === text.length;
}

/**
 * Whether a topic that `text` matches is matched by the rule. A rule whose name cannot be filled in safely overlaps
 * everything that begins like it; a rule with a missing name overlaps nothing.
 */
export function overlaps(rules: string, from: number, end: number, text: string, names: Names): boolean {
  if (usesName(rules, from, end, names, undefined)) return false;
  let at = from;
  let t = 0;
  while (at < end) {
    const code = rules.charCodeAt(at);
    const wanted = text.charCodeAt(t);
    if (code === hash) return t > 0 || wanted !== dollar;
    if (wanted === hash) return t > 0 || !beginsWithDollar(rules, at, end, names);
    if (wanted === plus) {
      if (t === 0 && beginsWithDollar(rules, at, end, names)) return false;
      const next = levelEnd(rules, at, end);
      if (usesName(rules, at, next, names, '')) return true;
      at = next;
      t++;
    } else if (code === plus) {
      if (t === 0 && wanted === dollar) return false;
      t = levelEnd(text, t, text.length);
      at++;
    } else if (isPlaceholder(rules, at, end)) {
      const name = nameAt(rules, at, names);
      if (name === '') return true;
      if (!text.startsWith(name!, t)) return false;
      t += name!.length;
      at += 2;
    } else if (t === text.length) {
      return at > from && isParentOfHash(rules, at, end); // no topic is empty
    } else if (code === wanted) {
      t++;
      at++;
    } else return false;
  }
  // The last level of the rule may be empty, which wildcards match.
  if (rules.charCodeAt(end - 1) === slash) {
    if (text.charCodeAt(t) === hash) return true;
    if (text.charCodeAt(t) === plus) t++;
  }
  return t === text.length || (t > 0 && isParentOfHash(text, t, text.length));
}

/** "a/#" matches "a", too (MQTT 3.1.1, 4.7.1.2). */
function isParentOfHash(text: string, at: number, end: number): boolean {
  return at + 2 === end && text.charCodeAt(at) === slash && text.charCodeAt(at + 1) === hash;
}

function levelEnd(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && text.charCodeAt(at) !== slash) at++;
  return at;
}

function isPlaceholder(rules: string, at: number, end: number): boolean {
  if (at + 1 >= end || rules.charCodeAt(at) !== percent) return false;
  const letter = rules.charCodeAt(at + 1);
  return letter === letterU || letter === letterC;
}

function nameAt(rules: string, at: number, names: Names): string | undefined {
  return rules.charCodeAt(at + 1) === letterU ? names.user : names.client;
}

/** Wildcards match no first level that begins so [MQTT-4.7.2-1]. */
function beginsWithDollar(rules: string, at: number, end: number, names: Names): boolean {
  if (rules.charCodeAt(at) === dollar) return true;
  return isPlaceholder(rules, at, end) && nameAt(rules, at, names)?.charCodeAt(0) === dollar;
}

/** @param name undefined: one that there is not; '': one that cannot be filled in */
function usesName(rules: string, from: number, to: number, names: Names, name: undefined | ''): boolean {
  if (names.user !== name && names.client !== name) return false;
  for (let at = from; at < to; at++) {
    if (isPlaceholder(rules, at, to) && nameAt(rules, at, names) === name) return true;
  }
  return false;
}
