/**
 * Reads what a test file has printed, in the Test Anything Protocol 14.
 *
 * @returns passed and failed: assertions, without the lines that sum up a test; failures: each with the tests that it is in and its
 * details, or ''; incomplete: a sentence where it ended before its time, or ''; skipped: tests with their reasons
 */
export function readTap(text) {
  const path = [];
  const failures = [];
  const skipped = [];
  let [passed, failed, points, planned] = [0, 0, 0, undefined];
  /** Indentation of the details that follow a failure; they end with `...`. */
  let details;
  let failedBefore = false;
  for (const line of text.split('\n')) {
    const [, indent, rest] = /^( *)(.*)$/.exec(line);
    if (failedBefore && rest === '---') details = indent;
    failedBefore = false;
    if (details !== undefined) {
      failures.push(line);
      if (indent === details && rest === '...') details = undefined;
      continue;
    }
    const depth = indent.length / 4;
    if (!Number.isInteger(depth)) continue;
    const [, title] = /^# Subtest: (.*)$/.exec(rest) ?? [];
    if (title !== undefined) path.splice(depth, Number.POSITIVE_INFINITY, title);
    if (depth === 0) planned ??= /^1\.\.(\d+)/.exec(rest)?.[1];
    const point = /^(not )?ok \d+(?: - (.*))?$/.exec(rest);
    if (point === null) continue;
    const [, not, name = ''] = point;
    if (depth === 0) points++;
    if (/ # SKIP/i.test(name)) skipped.push(name.replace(/ # SKIP ?/i, ': '));
    else if (not !== undefined && !/ # TODO/i.test(name)) {
      failures.push([...path.slice(0, depth), name].join(' > '));
      failedBefore = true;
      if (!isSum(name)) failed++;
    } else if (!isSum(name)) passed++;
  }
  return {
    passed,
    failed,
    failures: failures.join('\n'),
    incomplete: incompleteness(planned, points),
    skipped,
  };
}

/** The line of a test that has assertions of its own. */
const isSum = (name) => / # time=[\d.]+m?s$/.test(name);

function incompleteness(planned, points) {
  if (planned === undefined)
    return `it ended before its tests had: it printed no plan, and ${points} results`;
  if (Number(planned) !== points) return `it planned ${planned} results, and printed ${points}`;
  if (points === 0) return 'it has no tests';
  return '';
}
