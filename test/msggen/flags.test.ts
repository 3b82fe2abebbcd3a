/** Errors of msggen for flags that are unknown, wrong, or do not go together. */
import t from 'tap';
import { runTool } from './tool-process.js';

const BAD_FLAGS: [string[], RegExp][] = [
  [['--frequency', '5'], /unknown option '--frequency'/],
  [['--interval', '5'], /say when to end: --messages <n>, --until <when> or --forever/],
  [['--messages', '0'], /'0' is invalid\. Give a whole number from 1 upwards/],
  [['--messages', '1', '--interval', '-3'], /Give a number above 0/],
  [['--messages', '1', '--interval', '5', '--rate', '5'], /cannot be used with option '-r, --rate <n>'/],
  [['--messages', '1', '--forever'], /cannot be used with/],
  [['--messages', '1', '--rate', 'fast'], /Give messages a second, such as 1000, or max/],
  [['--until', '10'], /Give a duration from now \(60s, 10m, 24h\) or an ISO time/],
  [['--until', '2001-01-01'], /That time is past/],
  [['--messages', '1', '--url', 'ftp://x'], /Give an http URL with host and port/],
  [['--messages', '1', '--url', 'http://127.0.0.1:8001/send'], /without a path/],
  [['--messages', '1', '--url', 'localhost:8001'], /such as http:\/\/127\.0\.0\.1:8001\./],
  [['--messages', '1', 'surplus'], /too many arguments/],
  [['--messages', '1', '--qos', '1'], /--qos is for --transport mqtt-ws/],
  [['--messages', '1', '-t', 'mqtt-ws', '--batch', '5'], /--batch is for --transport http/],
  [['--messages', '1', '-t', 'mqtt-ws', '--qos', '3'], /Give 0, 1 or 2\./],
  [['--messages', '1', '-t', 'mqtt-ws', '--window', '0'], /Give a whole number from 1 to 65535/],
  [['--messages', '1', '--name', 'x'], /--name is for --transport redis/],
  [['--messages', '1', '-t', 'mqtt-ws', '--redis', 'redis://x'], /--redis is for --transport redis/],
  [
    ['--messages', '1', '--redis', 'redis://x', '--url', 'http://127.0.0.1:1'],
    /--url is for --transport http/,
  ],
  [['--messages', '1', '--redis', 'redis://x', '--batch', '5'], /--batch is for --transport http/],
  [['--messages', '1', '--redis', '127.0.0.1'], /Give Redis URLs such as redis:/],
  [['--messages', '1', '--redis', 'redis://x', '--name', 'a.b'], /Give 1 to 32 letters, digits/],
  [['--messages', '1', '--window', '5'], /--window is for --transport mqtt-ws or redis/],
  [['--messages', '1', '-t', 'mqtt-ws', '--no-wait'], /--no-wait is for --transport http/],
  [['--messages', '1', '--topic', 'a'], /Give a topic that has \{n\} in it once/],
  [['--messages', '1', '--topic', 'a{n}', '--id-prefix', 'b'], /cannot be used with/],
  [['--messages', '1', '--url', 'ws://127.0.0.1:8001/mqtt'], /is for --transport mqtt-ws: give the http URL/],
];

for (const [flags, sentence] of BAD_FLAGS) {
  t.test(`${flags.join(' ')} is a sentence and exit code 2`, async (t) => {
    t.match(await runTool(['msggen', ...flags]), { exitCode: 2, stdout: '', stderr: sentence });
  });
}
