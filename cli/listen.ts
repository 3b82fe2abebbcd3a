import { Command, InvalidArgumentError, Option } from 'commander';
import { connect, type Message, type Since } from '../client/index.js';
import { streamsUrl } from './flag-values.js';
import { terminalLines } from './terminal-text.js';
import { tokenOf } from './token-options.js';

interface ListenFlags {
  readonly url?: URL;
  readonly since: Since;
  readonly json?: true;
  readonly count?: number;
}

/** `encke listen <id…>` prints what `encke send` sends. It resumes after an interruption, as every client does. */
export function listenCommand(): Command {
  return new Command('listen')
    .description('print the messages of ids as they come')
    .argument('<ids...>', 'one id, or several')
    .addOption(
      new Option('--url <url>', 'gateway (default: http://127.0.0.1:8000)')
        .env('ENCKE_URL')
        .argParser(streamsUrl),
    )
    .addOption(
      new Option(
        '--since <where>',
        'where to begin: now, oldest, or with the last so many messages of each id',
      )
        .argParser(sinceOfText)
        .default('now'),
    )
    .option('--json', 'a JSON object a line: id, data, time, cursor')
    .option('-n, --count <count>', 'end after so many messages', countOfText)
    .option('--token <token>', 'of the user, where the gateway wants one')
    .option('--token-file <path>', 'a file that holds it')
    .addHelpText(
      'after',
      `
Prints the text of each message, and with several ids the id before it. When the gateway is away it tries again, and
gets what it has missed from history; where something is lost, standard error says so. Ctrl+C ends it.

Examples:
  encke listen 123
  encke listen 123 news --since 10
  encke listen --json --count 1 123 | jq .data`,
    )
    .action(listen);
}

function listen(ids: string[], flags: ListenFlags, command: Command): void {
  const token = tokenOf(command, 'token');
  const several = ids.length > 1;
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  const connection = connect(flags.url ?? 'http://127.0.0.1:8000', ids, {
    since: flags.since,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    onMessage: (message) => {
      const text = flags.json === true ? jsonOf(message) : textOf(message, several);
      process.stdout.write(`${process.stdout.isTTY ? terminalLines(text) : text}\n`); // a pipe gets it as it is
      if (--left === 0) connection.close();
    },
    onLost: ({ lost }) => say(`messages are lost${lost === undefined ? '' : `: ${lost}`}.`),
    onState: (state, { error, delayMs }) => {
      if (state !== 'waiting') return;
      const when = delayMs === undefined ? '' : `; next try in ${(delayMs / 1000).toFixed(1)} s`;
      say(`no connection (${error?.message ?? 'ended'})${when}.`);
    },
    onError: (error) => {
      say(error.message);
      process.exitCode = 1;
    },
  });
}

function textOf({ id, data }: Message, several: boolean): string {
  const text = typeof data === 'string' ? data : `(base64) ${Buffer.from(data).toString('base64')}`;
  return several ? `${id}  ${text}` : text;
}

function jsonOf({ id, data, time, cursor }: Message): string {
  const isText = typeof data === 'string';
  const shown = isText ? data : Buffer.from(data).toString('base64');
  return JSON.stringify({ id, data: shown, ...(isText ? {} : { encoding: 'base64' }), time, cursor });
}

function sinceOfText(text: string): Since {
  if (text === 'now' || text === 'oldest') return text;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give now, oldest, or a number of messages, such as 10.');
}

function countOfText(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a number of messages, such as 1.');
}

function say(sentence: string): void {
  process.stderr.write(`encke listen: ${terminalLines(sentence)}\n`);
}
