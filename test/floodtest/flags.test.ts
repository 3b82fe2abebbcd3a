/** What floodtest answers to flags that are unknown, wrong, or do not go together. */
import t from 'tap';
import { runTool } from '../msggen/tool-process.js';

const BAD_FLAGS: [string[], RegExp][] = [
  [['--conections', '5'], /unknown option '--conections'/],
  [['--connections', 'many'], /'many' is invalid\. Give a whole number from 1 upwards/],
  [['--rate', '0'], /Give a number above 0/],
  [['--transport', 'pigeon'], /Allowed choices are http-chunked, ndjson/],
  [['--hold', '10'], /Give a duration with its unit/],
  [['--pid', '99999999'], /there is no process 99999999 on this machine/],
  [
    ['--connections', '40000', '--processes', '1'],
    /1 process can hold \d+ connections here: give --processes 3 or more/,
  ],
  [['--connections', '2', '--processes', '3'], /--processes 3 is more than --connections 2/],
  [
    ['--connections', '50000', '--source-addresses', '2'],
    /50000 connections need --source-addresses 3 or more/,
  ],
];

for (const [flags, sentence] of BAD_FLAGS) {
  t.test(`${flags.join(' ')} is a sentence and exit code 2`, async (t) => {
    t.match(await runTool(['floodtest', ...flags]), { exitCode: 2, stdout: '', stderr: sentence });
  });
}
