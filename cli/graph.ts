import { Command } from 'commander';
import { apiUrlOption, defaultApiUrl } from './api-call.js';
import { positiveInteger } from './flag-values.js';
import { addTokenOptions, tokenOf } from './token-options.js';

/** `encke graph import | export | generate`: the friends graph, as files of lines `A B`. */
export function graphCommand(): Command {
  return new Command('graph')
    .description('import, export or generate a friends graph')
    .addHelpText(
      'after',
      `
Examples:
  encke graph generate --users 1000000 --edges 15 --seed 1 friends.txt
  encke graph import friends.txt`,
    )
    .addCommand(importCommand())
    .addCommand(exportCommand())
    .addCommand(generateCommand());
}

function importCommand(): Command {
  const command = new Command('import')
    .description('add the edges of a file to the friends graph of a running gateway')
    .argument('<file>', 'lines "A B": A follows B; or NDJSON {"subscriber","subscribee"}')
    .addOption(apiUrlOption())
    .option('--from-start', 'do not go on where the last import of this file was interrupted')
    .addHelpText(
      'after',
      `
An import that was interrupted goes on where it stopped: what was stored is noted in <file>.import.

Examples:
  encke graph import friends.txt
  encke graph import --url http://10.0.0.5:8001 --token-file /etc/encke/api-token friends.txt`,
    )
    .action(async (file: string, flags: { url?: URL; fromStart?: true }, self: Command) => {
      const { importGraph } = await import('./graph/import.js');
      await importGraph(
        file,
        flags.url ?? new URL(defaultApiUrl),
        tokenOf(self, 'token'),
        flags.fromStart === true,
      );
    });
  return addTokenOptions(command);
}

function exportCommand(): Command {
  const command = new Command('export')
    .description('write all edges of the friends graph of a running gateway')
    .argument('<file>', 'lines "A B", where A follows B; - writes to standard output')
    .addOption(apiUrlOption())
    .addHelpText(
      'after',
      `
An edge with white space in one of its ids is a line of JSON, which the import takes, too.

Example:
  encke graph export friends.txt`,
    )
    .action(async (file: string, flags: { url?: URL }, self: Command) => {
      const { exportGraph } = await import('./graph/export.js');
      await exportGraph(file, flags.url ?? new URL(defaultApiUrl), tokenOf(self, 'token'));
    });
  return addTokenOptions(command);
}

function generateCommand(): Command {
  return new Command('generate')
    .description('write a scale-free graph (Barabási and Albert): few have many followers, and most have few')
    .argument('<file>', 'lines "A B", with the ids 1, 2, …; - writes to standard output')
    .requiredOption('--users <n>', 'ids', positiveInteger)
    .option('--edges <n>', 'ids that each id follows', positiveInteger, 15)
    .option('--seed <n>', 'the same seed makes the same graph', positiveInteger, 1)
    .addHelpText(
      'after',
      `
Example:
  encke graph generate --users 1000000 --edges 15 --seed 1 friends.txt`,
    )
    .action(async (file: string, { users, edges, seed }: { users: number; edges: number; seed: number }) => {
      const { generateGraph } = await import('./graph/generate.js');
      await generateGraph(file, users, edges, seed);
    });
}
