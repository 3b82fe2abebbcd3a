#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { version } from '../gateway/version.js';
import { keepYoungGenerationSmall } from '../gateway/young-generation.js';
import { watchStandardStreams } from './standard-streams.js';

/**
 * The command line: `encke <command>`. A usage error is one sentence and exit code 2. Loads only the requested command:
 * with the tools, `encke start` would take 5 MB more.
 */

const commands: Record<string, () => Promise<Command>> = {
  start: async () => (await import('./start.js')).startCommand(),
  gateway: async () => (await import('./start.js')).gatewayCommand(),
  router: async () => (await import('./start.js')).routerCommand(),
  listen: async () => (await import('./listen.js')).listenCommand(),
  ctl: async () => (await import('./ctl.js')).ctlCommand(),
  send: async () => (await import('./send.js')).sendCommand(),
  kick: async () => (await import('./kick.js')).kickCommand(),
  msggen: async () => (await import('./msggen.js')).msggenCommand(),
  floodtest: async () => (await import('./floodtest.js')).floodtestCommand(),
  user: async () => (await import('./users/user.js')).userCommand(),
  acl: async () => (await import('./users/acl.js')).aclCommand(),
  token: async () => (await import('./token.js')).tokenCommand(),
  graph: async () => (await import('./graph.js')).graphCommand(),
  charts: async () => (await import('./charts.js')).chartsCommand(),
};

const program = new Command('encke')
  .description('Comet push gateway with a message router')
  .version(version)
  .showHelpAfterError('Run "encke --help" to see what there is.');
const asked = process.argv[2] ?? '';
watchStandardStreams(asked);
if (['start', 'gateway', 'router'].includes(asked)) keepYoungGenerationSmall();
const wanted = Object.hasOwn(commands, asked) ? [asked] : Object.keys(commands);
for (const name of wanted) program.addCommand(await commands[name]!());
// npm takes flags as its own, and passes on only their values.
const withNpm =
  process.env.npm_lifecycle_event === 'start'
    ? ' With npm, flags come after --: npm start -- --port 9000'
    : '';
prepare(program, '');

/** @param path the words of the command, as in `encke ctl clients` */
function prepare(command: Command, path: string): void {
  const own = `${path}${command.name()}`;
  command.exitOverride().configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 100, 110) });
  if (command !== program) command.showHelpAfterError(`Run "${own} --help" to see what there is.${withNpm}`);
  for (const each of command.commands) prepare(each, `${own} `);
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
