/** `encke msggen`: the command line of the message generator. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { FAIL_ON_HELP, failOnOf } from './fail-on.js';
import {
  apiOrGatewayUrl,
  durationMs,
  integerBetween,
  positiveInteger,
  positiveNumber,
  qosLevel,
  topicTemplate,
  untilMs,
} from './flag-values.js';
import { askedBy, defaults, type Flags } from './msggen-options.js';
import { generate } from './msggen-run.js';
import { addRedisOptions } from './redis-options.js';
import { addTokenOptions, mqttTokenOptions } from './token-options.js';

const MAX_ID = 10_000_000;

const HELP = `
Every message has a deadline that nothing moves: what a stall of msggen or of the server makes late is sent at
once afterwards, and its latency counts from the deadline. --rate max has no deadlines: each connection sends its
next message as soon as the last one is answered (at MQTT QoS 0, as soon as the socket takes it). Messages for one id always take the same connection, so they
arrive in the order they were sent. Ids are the whole numbers from 1 to --max-id, chosen at random.

With -t mqtt-ws messages are published over MQTT connections to the gateway. At QoS 1 and 2 the latency is that of
PUBACK and PUBCOMP, and each connection has at most --window messages unacknowledged. At QoS 0 nothing comes back for a
message; the run ends when the server has answered a ping behind the last one.

With --redis messages go to the global name of a router, a function on Redis (FCALL encke_send), and no node takes part
in sending. Each connection has at most --window calls unanswered. The answer to each is how many copies went to nodes.

What never gets an answer counts in the latency with the time that it has waited, until --answer-timeout or the end of
the run. The exit code is 1 when nothing could be sent, and 3 when something happened that --fail-on names: loss (no
answer), errors, or a latency above its limit.

Examples:
  encke msggen --messages 20 --interval 10 --max-id 5 --senders 10
  encke msggen --senders 100 --interval 100 --max-id 10000 --until 24h --stamp
  encke msggen --rate 50000 --batch 100 --max-id 10000 --until 10m --json
  encke msggen --rate 1000 --until 1m --answer-timeout 5s --fail-on loss,errors,p99=50ms
  encke msggen --redis redis://127.0.0.1:6379 --name encke --rate 1000 --until 1m --stamp
  encke msggen -t mqtt-ws --qos 1 --rate 1000 --max-id 10000 --until 1m --stamp
  encke msggen -t mqtt-ws --rate max --topic 'topic/device_user{n}/t_1' --max-id 2000 --until 10s
`;

export function msggenCommand(): Command {
  const { mqttToken, mqttTokenFile } = mqttTokenOptions('mqtt-ws: ');
  const command = new Command('msggen')
    .description('send messages to random ids at a steady rate, and say what rate and latency came of it')
    .addOption(
      new Option('-t, --transport <name>', 'how they are sent')
        .choices(['http', 'redis', 'mqtt-ws'])
        .default('http'),
    )
    .option('-m, --messages <n>', 'messages from each sender (or say --until or --forever)', positiveInteger)
    .addOption(
      new Option(
        '-i, --interval <ms>',
        `time between two messages of a sender (default: ${defaults.intervalMs})`,
      )
        .argParser(positiveNumber)
        .conflicts('rate'),
    )
    .option('-r, --rate <n>', 'messages a second from all senders together, or "max"', rateOrMax)
    .option('-s, --senders <n>', 'senders, spread evenly over the interval', positiveInteger, 1)
    .option('--max-id <n>', `ids are 1 to this (at most ${MAX_ID})`, integerBetween(1, MAX_ID), 1000)
    .option('--id-prefix <text>', 'goes before the number of the id, such as user/', '')
    .addOption(
      new Option('--topic <id>', 'the id, with {n} for its number, such as topic/device_user{n}/t_1')
        .argParser(topicTemplate)
        .conflicts('idPrefix'),
    )
    .option('--size <bytes>', 'size of a message; a longer stamp is not cut', integerBetween(1, 1 << 20), 64)
    .option(
      '--stamp',
      'open each message with publisher, number and time, so that floodtest can account for it',
    )
    .option(
      '-u, --until <when>',
      'end after a time (60s, 10m, 24h) or at one (2026-11-20T18:00:00Z)',
      untilMs,
    )
    .addOption(new Option('--forever', 'go on until interrupted').conflicts(['messages', 'until']))
    .option(
      '--batch <n>',
      'send what is due together as one request, at most n messages',
      integerBetween(1, 10_000),
      1,
    )
    .option(
      '-c, --connections <n>',
      `connections, which are kept (default: ${defaults.connections}, with --batch ${defaults.batchConnections})`,
      integerBetween(1, 10_000),
    )
    .option(
      '--waiting-limit <n>',
      'late messages kept for a slow server; more are errors',
      positiveInteger,
      200_000,
    )
    .option(
      '--answer-timeout <duration>',
      `for so long an answer is waited for (default: ${defaults.answerTimeoutMs / 1000}s, with redis ${defaults.redisAnswerTimeoutMs / 1000}s)`,
      durationMs,
    )
    .option('--fail-on <what>', FAIL_ON_HELP, failOnOf)
    .option('--seed <n>', 'choose the same ids again (default: at random)', integerBetween(0, 0xffff_ffff))
    .option(
      '--url <url>',
      `the router API (default: ${defaults.apiUrl}, env: ENCKE_API_URL); for mqtt-ws the gateway (default: ${defaults.gatewayUrl}, env: ENCKE_URL), its path ${defaults.mqttPath} or as in ws://host:port/path`,
      apiOrGatewayUrl,
    )
    .option('--no-wait', 'do not wait for how many connections on all nodes a message reached')
    .option('--qos <qos>', 'mqtt-ws: QoS to publish at: 0, 1 or 2 (default: 0)', qosLevel)
    .option('--retain', 'mqtt-ws: each message is kept as the last one of its topic')
    .option(
      '--window <n>',
      `mqtt-ws and redis: messages of a connection that may be unanswered (default: ${defaults.window})`,
      integerBetween(1, 65_535),
    )
    .option('--username <name>', 'mqtt-ws: user name (default: none, with a token msggen)')
    .addOption(mqttToken)
    .addOption(mqttTokenFile)
    .option('--json', 'print one JSON object at the end instead of text')
    .addHelpText('after', HELP)
    .action(async (flags: Flags, command: Command) => {
      process.exitCode = await generate(askedBy(flags, command), flags.json === true, flags.failOn);
    });
  addTokenOptions(command);
  return addRedisOptions(command, 'redis, which it implies');
}

function rateOrMax(text: string): number | 'max' {
  if (text === 'max') return 'max';
  try {
    return positiveNumber(text);
  } catch {
    throw new InvalidArgumentError(
      'Give messages a second, such as 1000, or max for as fast as the API answers.',
    );
  }
}
