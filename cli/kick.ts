import { Command } from 'commander';
import { apiUrlOption, callApi, defaultApiUrl } from './api-call.js';
import { collected, durationMs } from './flag-values.js';
import { addTokenOptions, type TokenFlags, tokenOf } from './token-options.js';

interface KickFlags extends TokenFlags {
  clientId?: string[];
  id?: string[];
  url?: URL;
  timeout: number;
}

/** `encke kick <user>` ends connections over the router API. */
export function kickCommand(): Command {
  const command = new Command('kick')
    .description('end the connections of users, client ids or ids, on all nodes')
    .argument('[users...]', 'names of users')
    .option(
      '--client-id <client-id>',
      'the MQTT client that has it; may be given several times',
      collected(String),
    )
    .option(
      '--id <id>',
      'all that are logged in under exactly this id; may be given several times',
      collected(String),
    )
    .addOption(apiUrlOption())
    .option('--timeout <duration>', 'for so long the answer is waited for', durationMs, 30_000)
    .addHelpText(
      'after',
      `
Prints the answer: {"kicked":N}, how many connections were ended, and on which nodes. The caller is a superuser, or has
the token of --api-token. What the nodes remember of these users is forgotten, so that they are checked anew when they
come back. Nobody is kept out by it: remove the user first, or let its token end.

Examples:
  encke kick alice
  encke kick --client-id sensor-7 --client-id sensor-8
  encke kick --token-file /etc/encke/api-token alice bob`,
    )
    .action(kick);
  return addTokenOptions(command);
}

async function kick(users: string[], flags: KickFlags, command: Command): Promise<void> {
  const names = new URLSearchParams();
  for (const user of users) names.append('user', user);
  for (const clientId of flags.clientId ?? []) names.append('client', clientId);
  for (const id of flags.id ?? []) names.append('id', id);
  if (names.size === 0 || [...names.values()].includes(''))
    command.error('error: name a user, or give --client-id or --id: none of them may be empty.', {
      exitCode: 2,
    });
  const called = await callApi({
    url: flags.url ?? new URL(defaultApiUrl),
    path: `/kick?${names}`,
    token: tokenOf(command, 'token'),
    timeoutMs: flags.timeout,
    done: 'ended the connections',
  });
  if ('answer' in called) process.stdout.write(`${called.answer}\n`);
  else {
    process.stderr.write(`encke kick: ${called.problem}\n`);
    process.exitCode = 1;
  }
}
