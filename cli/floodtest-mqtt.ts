/** The flags of `encke floodtest` that are for MQTT over WebSocket only. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Lives, type MqttPlan, QOS_0_ONLY, type QosShares } from '../floodtest/mqtt-plan.js';
import type { MqttQos } from '../msggen/mqtt/packets.js';
import {
  integerBetween,
  livesOf,
  positiveInteger,
  positiveNumber,
  qosLevel,
  qosShares,
  topicTemplate,
} from './flag-values.js';
import { type MqttTokenFlags, mqttTokenOptions, tokenOf } from './token-options.js';

const MAX_KEEP_ALIVE_SEC = 65_535;
const MAX_DEVICES = 10_000_000;

export const MQTT_HELP = `
Over MQTT (-t mqtt-ws) connection number k subscribes to its id. With --devices as many further connections publish,
device n to topic/device_user<n>/t_<m>, and connection k subscribes to all topics of device k modulo --devices, plus 1,
at the QoS that the device publishes at. They begin when all connections are open; at the end they stop, floodtest
waits for what is on its way, and what then is still missing is lost. With --everything one more subscriber at each
gateway receives everything ("#") and has a row of its own. A message that comes again with the DUP flag is
"redelivered", which MQTT allows; one that comes again without is "duplicated". With several gateways a device and the
connection that subscribes to it are at the same one.

With --resubscribe-rate subscribers unsubscribe in turn, and subscribe again a second after UNSUBACK. What they miss
meanwhile is not lost. What is published after UNSUBACK and comes before the next SUBSCRIBE is an error with a count of
its own; what was due before UNSUBACK may still come. A message without a stamp does not tell, and counts as an error.

Each client may be a user of its own, where the gateway has --auth redis. Of 1,000 devices and 1,000 subscribers:
  encke user import --generate 1000 --user-names 'device{n}'
  encke user import --generate 1000 --user-names 'subscriber{n}'
  encke floodtest -t mqtt-ws --connections 1000 --devices 1000 --device-topic 'topic/device_user{n}/t_1'
    --username '{role}{n}' --mqtt-token '{role}{n}'

The eight scenarios of an MQTT push service of 2 million connections, one for each device and each mobile, at a size
that two gateways on one machine hold, 16,000 connections each:
  flood="encke floodtest -t mqtt-ws --everything --keep-alive 300 --hold 15m
         --url http://127.0.0.1:8000 --url http://127.0.0.1:9000"
  $flood --connections 1600 --devices 1600                        0.2 million
  $flood --connections 4800 --devices 4800                        0.6 million
  $flood --connections 8000 --devices 8000                        1 million
  $flood --connections 12800 --devices 12800                      1.6 million
  $flood --connections 15999 --devices 15999                      2 million
  $flood --connections 15999 --devices 15999 --qos 0:80%,1:20%    20 % of them at QoS 1
  $flood --connections 15999 --devices 15999 --lives 1%:1m-5m     1 % live 1 to 5 minutes
  $flood --connections 15999 --devices 15999 --lives 5%:5m-10m    5 % live 5 to 10 minutes
`;

export interface MqttFlags extends MqttTokenFlags {
  qos?: QosShares;
  cleanSession?: boolean;
  keepAlive?: number;
  clientIdPrefix?: string;
  username?: string;
  topic?: string;
  lives?: Lives;
  resubscribeRate?: number;
  everything?: MqttQos | true;
  devices?: number;
  publishRate?: number;
  deviceTopic?: string;
  topicsEach?: number;
  size?: number;
}

/** @param option name of the flag, for messages */
const OPTIONS: Record<keyof MqttFlags, Option> = {
  qos: new Option(
    '--qos <qos>',
    'QoS to subscribe and publish at: 0, 1, 2, or shares (default: 0)',
  ).argParser(qosShares),
  cleanSession: new Option('--clean-session <boolean>', 'false keeps the sessions (default: true)').argParser(
    trueOrFalse,
  ),
  keepAlive: new Option(
    '--keep-alive <seconds>',
    'a ping is sent after 60 to 90 % of this; 0 means none (default: 300)',
  ).argParser(integerBetween(0, MAX_KEEP_ALIVE_SEC)),
  clientIdPrefix: new Option(
    '--client-id-prefix <text>',
    'client ids are this and a number (default: one for each run)',
  ),
  username: new Option(
    '--username <name>',
    'user name; {role} is subscriber, device or everything, {n} the number among these, as in the password (default: none, with a token floodtest)',
  ),
  ...mqttTokenOptions(),
  topic: new Option('--topic <filter>', 'filter instead of the id; {n} is its number').argParser(
    topicTemplate,
  ),
  lives: new Option(
    '--lives <share:min-max>',
    'this share of the connections live only so long, and others follow: 1%:1m-5m',
  ).argParser(livesOf),
  resubscribeRate: new Option(
    '--resubscribe-rate <n>',
    'so many of all subscribers unsubscribe a second, and subscribe again a second later',
  ).argParser(positiveNumber),
  everything: new Option(
    '--everything [qos]',
    'one more subscriber to everything at each gateway (QoS: 0 unless given)',
  ).argParser(qosLevel),
  devices: new Option('--devices <n>', 'further connections, which publish').argParser(
    integerBetween(1, MAX_DEVICES),
  ),
  publishRate: new Option(
    '--publish-rate <n>',
    'messages a second from all devices together (default: 0.1 from each)',
  ).argParser(positiveNumber),
  deviceTopic: new Option(
    '--device-topic <topic>',
    'where device {n} publishes, {m} being one of its topics (default: topic/device_user{n}/t_{m})',
  ).argParser(deviceTopic),
  topicsEach: new Option('--topics-each <n>', 'topics of each device, in turn (default: 1)').argParser(
    positiveInteger,
  ),
  size: new Option('--size <bytes>', 'size of what devices publish (default: 64)').argParser(
    integerBetween(1, 1 << 20),
  ),
};

const DEVICE_FLAGS: (keyof MqttFlags)[] = ['publishRate', 'deviceTopic', 'topicsEach', 'size'];

export function addMqttOptions(command: Command): void {
  for (const option of Object.values(OPTIONS)) command.addOption(option);
}

/** Ends with a sentence when flags are given that have no meaning together. */
export function checkMqttFlags(
  flags: MqttFlags & { transport: string; ids?: number },
  command: Command,
): void {
  const wrong = (sentence: string) => command.error(`error: ${sentence}`, { exitCode: 2 });
  const given = (Object.keys(OPTIONS) as (keyof MqttFlags)[]).filter(
    (name) => command.getOptionValueSource(name) === 'cli',
  );
  if (flags.transport !== 'mqtt-ws') {
    if (given.length > 0) wrong(`${OPTIONS[given[0]!].long} is for --transport mqtt-ws.`);
    return;
  }
  const withoutDevices = DEVICE_FLAGS.find((name) => given.includes(name));
  if (flags.devices === undefined && withoutDevices !== undefined) {
    wrong(`${OPTIONS[withoutDevices].long} says how devices publish: give --devices <n>, too.`);
  }
  if (flags.devices !== undefined && flags.topic !== undefined) {
    wrong('with --devices each connection subscribes to the topics of a device: leave out --topic.');
  }
  if (flags.devices !== undefined && flags.ids !== undefined) {
    wrong('with --devices there is an id for each device: leave out --ids.');
  }
  if (flags.topicsEach !== undefined && flags.deviceTopic?.includes('{m}') === false) {
    wrong('--topics-each needs {m} in --device-topic, such as topic/device_user{n}/t_{m}.');
  }
}

export function mqttPlanOf(flags: MqttFlags, idPrefix: string, command: Command): MqttPlan {
  const { devices, everything } = flags;
  const mqttToken = tokenOf(command, 'mqttToken');
  return {
    qosShares: flags.qos ?? QOS_0_ONLY,
    cleanSession: flags.cleanSession ?? true,
    keepAliveSec: flags.keepAlive ?? 300,
    clientIdPrefix: flags.clientIdPrefix ?? `floodtest-${process.pid.toString(36)}-`,
    username: flags.username ?? (mqttToken ? 'floodtest' : undefined),
    password: mqttToken,
    filter: flags.topic ?? `${idPrefix}{n}`,
    everything: everything === true ? 0 : everything,
    lives: flags.lives,
    resubscribesPerSec: flags.resubscribeRate,
    devices:
      devices === undefined
        ? undefined
        : {
            count: devices,
            ratePerSec: flags.publishRate ?? devices / 10,
            topic: flags.deviceTopic ?? 'topic/device_user{n}/t_{m}',
            topicsEach: flags.topicsEach ?? 1,
            sizeBytes: flags.size ?? 64,
          },
  };
}

function trueOrFalse(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new InvalidArgumentError('Give true or false.');
  return text === 'true';
}

function deviceTopic(text: string): string {
  const levels = topicTemplate(text).split('/');
  if (
    text.split('{m}').length > 2 ||
    levels.some((level) => level.includes('{n}') && level.includes('{m}'))
  ) {
    throw new InvalidArgumentError(
      'Give {m} at most once, and in another level than {n}, such as topic/device_user{n}/t_{m}.',
    );
  }
  if (/[+#]/.test(text)) throw new InvalidArgumentError('A topic to publish to has no wildcards + and #.');
  return text;
}
