import type { Test } from 'tap';
import type { Outcome } from './encke.js';

/** The message of a usage error. */

/** A usage error: exit code 2, nothing on stdout, and on stderr a sentence that names what is wrong. */
export function isUsageError(t: Test, what: string, outcome: Outcome, ...names: (string | RegExp)[]): void {
  t.equal(outcome.code, 2, `${what}: exit code 2`);
  t.equal(outcome.stdout, '', `${what}: nothing on stdout`);
  isOneSentence(t, what, outcome, ...names);
}

/** A sentence, and at most two more short lines that say where to read on. */
export function isOneSentence(
  t: Test,
  what: string,
  { stderr }: Outcome,
  ...names: (string | RegExp)[]
): void {
  const lines = stderr.trimEnd().split('\n');
  t.match(lines[0], /^(error|encke [a-z]+): \S.{10,}/, `${what}: a sentence, ${JSON.stringify(stderr)}`);
  for (const line of lines.slice(1)) t.match(line, /^\(Did you mean |^Run .* --help/, `${what}: and no more`);
  t.ok(lines.length <= 3, `${what}: in a few lines`);
  t.notMatch(stderr, /\n\s+at |node:|undefined|\[object|\{"level"/, `${what}: no stack, no log`);
  for (const name of names) t.match(stderr, name, `${what}: names what is wrong`);
}
