import { Command, Option } from 'commander';
import type { NameAddress } from '../msggen/global-name.js';
import { apiUrlOption, callApi, defaultApiUrl } from './api-call.js';
import { durationMs } from './flag-values.js';
import { addRedisOptions, nameAddressOf, type RedisFlags, redisFlagNames } from './redis-options.js';
import { addTokenOptions, type TokenFlags, tokenOf } from './token-options.js';

interface SendFlags extends RedisFlags, TokenFlags {
  qos?: '0' | '1' | '2';
  retain?: true;
  followers?: true;
  url?: URL;
  timeout: number;
}

/**
 * `encke send <id> <message>` sends one message through the router API, or through the router's global name, a function
 * on Redis.
 */
export function sendCommand(): Command {
  const command = new Command('send')
    .description('send one message to whoever is logged in under an id')
    .argument('<id>', 'who it is for')
    .argument('<message>', 'the text; - reads it from standard input')
    .addOption(apiUrlOption())
    .addOption(
      new Option(
        '-q, --qos <qos>',
        'how hard MQTT deliveries are tried; each subscriber gets the lower of this and its own (default: 1)',
      ).choices(['0', '1', '2']),
    )
    .option('--timeout <duration>', 'for so long the answer is waited for', durationMs, 30_000)
    .option('-r, --retain', 'keep it for who subscribes later; an empty message clears what is kept')
    .option('-f, --followers', 'send it to the ids that follow this id, too')
    .addHelpText(
      'after',
      `
Prints the answer: {"delivered":N}, how many took it, and "unanswered" where nodes did not say in time.
With --redis no router is asked, as a function on Redis sends it; it answers {"copies":N}: how many went to nodes.

Examples:
  encke send 123 "Hello World"
  encke send --followers user/7 "Hello to all who follow me"
  encke send --token-file /etc/encke/api-token 123 "Hello World"
  encke send --redis redis://127.0.0.1:6379 --name encke 123 "Hello World"`,
    )
    .action(send);
  addTokenOptions(command);
  return addRedisOptions(command, 'send through Redis instead, by the function of --name');
}

async function send(id: string, message: string, flags: SendFlags, command: Command): Promise<void> {
  checkTogether(flags, command);
  // Node has put U+FFFD where an argument was not UTF-8: the message would not be the intended one.
  if (message.includes('\ufffd') || id.includes('\ufffd'))
    return fail(
      'an argument is not UTF-8, or has U+FFFD in it: give such a message on standard input, with -.',
    );
  if (flags.redis === undefined) await sendToApi(id, message, flags, tokenOf(command, 'token'));
  else await sendToName(id, message, flags, nameAddressOf(flags, command));
}

/** Refuses flags that do not go together. Variables are not looked at: they may be set for other commands. */
function checkTogether({ redis }: SendFlags, command: Command): void {
  const others = redis === undefined ? redisFlagNames : (['url', 'token', 'tokenFile', 'followers'] as const);
  const other = others.find((name) => command.getOptionValueSource(name) === 'cli');
  if (other === undefined) return;
  const { long } = command.options.find((option) => option.attributeName() === other)!;
  const sentence = redis === undefined ? `${long} goes with --redis.` : `${long} does not go with --redis.`;
  command.error(`error: ${sentence}`, { exitCode: 2 });
}

async function sendToName(
  id: string,
  message: string,
  flags: SendFlags,
  address: NameAddress,
): Promise<void> {
  const { BriefConnection, indexOf, whyRefused, within } = await import('../msggen/global-name.js');
  const body = message === '-' ? await readStandardInput() : Buffer.from(message);
  const options = [
    ...(flags.qos === undefined ? [] : ['QOS', flags.qos]),
    ...(flags.retain ? ['RETAIN'] : []),
  ];
  const shard = address.shards[indexOf(id, address)]!;
  const connection = new BriefConnection(shard, address);
  const { redis } = connection;
  try {
    await within(flags.timeout, redis.connect());
    const call = redis.fcall(`${address.name}_send`, 1, id, body, ...options);
    const copies = await within(flags.timeout, call);
    process.stdout.write(`${JSON.stringify({ copies })}\n`);
  } catch (error) {
    fail(whyRefused(shard, address, connection.causeOf(error)));
  } finally {
    connection.end();
  }
}

async function sendToApi(
  id: string,
  message: string,
  flags: SendFlags,
  token: string | undefined,
): Promise<void> {
  const body = message === '-' ? await readStandardInput() : Buffer.from(message);
  const options = new URLSearchParams();
  if (flags.qos !== undefined) options.set('qos', flags.qos);
  if (flags.retain) options.set('retain', '1');
  if (flags.followers) options.set('to', 'followers');
  const query = options.size === 0 ? '' : `?${options}`;
  const called = await callApi({
    url: flags.url ?? new URL(defaultApiUrl),
    path: `/send/${id.split('/').map(encodeURIComponent).join('/')}${query}`,
    body,
    token,
    timeoutMs: flags.timeout,
    done: 'taken the message',
  });
  if ('answer' in called) process.stdout.write(`${called.answer}\n`);
  else fail(called.problem);
}

async function readStandardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function fail(sentence: string): undefined {
  process.stderr.write(`encke send: ${sentence}\n`);
  process.exitCode = 1;
}
