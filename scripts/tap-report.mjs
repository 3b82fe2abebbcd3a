import { Parser } from 'tap-parser';
import { stringify } from 'tap-yaml';

/**
 * Reads what a test file has printed, in the Test Anything Protocol 14.
 *
 * @returns passed and failed: assertions, without the lines that sum up a test; failures: each with the tests that it is
 * in and its details, or ''; incomplete: a sentence where it ended before its time, or ''; skipped: tests with their
 * reasons
 */
export function readTap(text) {
  const report = { passed: 0, failed: 0, failures: [], skipped: [] };
  const parser = new Parser();
  note(parser, report);
  parser.write(text);
  const planned = parser.planEnd; // before the end, at which the parser makes a plan where there is none
  parser.end();
  const failures = report.failures.join('\n');
  return { ...report, failures, incomplete: incompleteness(planned, parser.count) };
}

/** Adds the results of a test, and of the tests in it, to a report. */
function note(parser, report) {
  parser.on('child', (child) => note(child, report));
  parser.on('assert', ({ ok, name, fullname, skip, todo, diag, closingTestPoint: isSum }) => {
    if (skip) report.skipped.push(skip === true ? name : `${name}: ${skip}`);
    else if (ok || todo) report.passed += isSum ? 0 : 1;
    else {
      report.failed += isSum ? 0 : 1;
      report.failures.push(diag ? `${fullname}\n${detailsOf(diag)}` : fullname);
    }
  });
}

function detailsOf(diag) {
  return `---\n${stringify(diag)}...`.replace(/^(?=.)/gm, '  ');
}

function incompleteness(planned, points) {
  if (planned === -1) return `it ended before its tests had: it printed no plan, and ${points} results`;
  if (planned !== points) return `it planned ${planned} results, and printed ${points}`;
  if (points === 0) return 'it has no tests';
  return '';
}
