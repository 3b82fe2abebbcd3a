/** Errors of floodtest for flags that are unknown, wrong, or do not go together. */
import t from 'tap';
import { runTool } from '../msggen/tool-process.js';

const BAD_FLAGS: [string[], RegExp][] = [
  [['--conections', '5'], /unknown option '--conections'/],
  [['--connections', 'many'], /'many' is invalid\. Give a whole number from 1 upwards/],
  [['--rate', '0'], /Give a number above 0/],
  [['--transport', 'pigeon'], /Allowed choices are http-chunked, ndjson, sse, long-poll, mqtt-ws/],
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
  [['--cut', '30s'], /Give when to cut and the time to come back in, such as 30s:10s/],
  [['-t', 'sse', '--cut', '30s:10'], /Give a duration with its unit/],
  [
    ['--cut', '30s:10s'],
    /--cut needs cursors, which http-chunked has not: give --transport ndjson or sse or long-poll/,
  ],
  [['-t', 'sse', '--cut', '30s:10s', '--hold', '40s'], /give --hold more than 40s/],
  [['--resubscribe-rate', '5'], /--resubscribe-rate is for --transport mqtt-ws/],
  [['-t', 'mqtt-ws', '--resubscribe-rate', '0'], /Give a number above 0/],
  [['--qos', '1'], /--qos is for --transport mqtt-ws/],
  [['-t', 'mqtt-ws', '--qos', '3'], /Give 0, 1 or 2, or shares that add up to 100%/],
  [['-t', 'mqtt-ws', '--qos', '0:80%,1:30%'], /Give 0, 1 or 2, or shares that add up to 100%/],
  [
    ['-t', 'mqtt-ws', '--lives', '5m-1m'],
    /Give a share and two durations, the shorter one first, such as 1%:1m-5m/,
  ],
  [['-t', 'mqtt-ws', '--lives', '5%:5m-1m'], /Give a share and two durations, the shorter one first/],
  [['-t', 'mqtt-ws', '--clean-session', 'no'], /Give true or false/],
  [['-t', 'mqtt-ws', '--everything', '5'], /Give 0, 1 or 2\./],
  [['-t', 'mqtt-ws', '--topic', 'a/b'], /Give a topic that has \{n\} in it once/],
  [
    ['-t', 'mqtt-ws', '--publish-rate', '5'],
    /--publish-rate says how devices publish: give --devices <n>, too/,
  ],
  [['-t', 'mqtt-ws', '--devices', '5', '--topic', '{n}'], /leave out --topic/],
  [['-t', 'mqtt-ws', '--devices', '5', '--device-topic', 'd/{n}{m}'], /in another level than \{n\}/],
  [['-t', 'mqtt-ws', '--devices', '5', '--device-topic', 'd/{n}/#'], /no wildcards/],
  [['-t', 'mqtt-ws', '--url', 'http://x/mqtt'], /without a path/],
  [['--url', 'ws://127.0.0.1:8000/mqtt'], /is for --transport mqtt-ws: give the http URL/],
];

for (const [flags, sentence] of BAD_FLAGS) {
  t.test(`${flags.join(' ')} is a sentence and exit code 2`, async (t) => {
    t.match(await runTool(['floodtest', ...flags]), { exitCode: 2, stdout: '', stderr: sentence });
  });
}
