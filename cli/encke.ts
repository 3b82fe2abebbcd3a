#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { version } from '../gateway/version.js';
import { chartsCommand } from './charts.js';
import { floodtestCommand } from './floodtest.js';
import { msggenCommand } from './msggen.js';
import { sendCommand } from './send.js';
import { startCommand } from './start.js';

/** The one door: `encke <command>`. A usage error is one sentence and exit code 2. */

const program = new Command('encke')
  .description('Comet push gateway with a message router')
  .version(version)
  .showHelpAfterError('Run with --help to see what there is.')
  .addCommand(startCommand())
  .addCommand(sendCommand())
  .addCommand(msggenCommand())
  .addCommand(floodtestCommand())
  .addCommand(chartsCommand());
for (const command of [program, ...program.commands]) {
  command.exitOverride().configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 100, 110) });
  if (command !== program)
    command.showHelpAfterError(`Run "encke ${command.name()} --help" to see what there is.`);
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
