import { Command, Option } from 'commander';
import { ConfigError, environmentNameOf, flagOf, readConfig, readSettings } from '../gateway/config.js';
import { formerKeys } from '../gateway/former-settings.js';
import { commandOf, isUsed, type NodeRole } from '../gateway/role.js';
import { type SettingKey, settingKeys, settings } from '../gateway/settings.js';
import { workerOf } from '../gateway/workers/worker.js';
import { headingOf, inGroups, isEveryday } from './setting-groups.js';

const configFileVariable = 'ENCKE_CONFIG';

const described: Record<NodeRole, string> = {
  both: 'start the gateway and its router',
  gateway:
    'start a gateway alone, of a cluster: it holds connections, and its API is /health, /ready and /stats',
  router:
    'start a router alone, of a cluster: it answers the API and the global name, and takes no connections',
};

const examples: Record<NodeRole, string> = {
  both: `
  encke start
  encke start --port 9000 --log-level warn
  encke start --workers 2 --engine redis --redis redis://127.0.0.1:6379
  encke start --host 0.0.0.0 --mqtt-token "$(openssl rand -hex 16)"
  encke start --host 0.0.0.0 --mqtt false --api-host 0.0.0.0 --api-token "$(openssl rand -hex 16)"
  encke start --engine redis --redis redis://10.0.0.5:6379 --node-name gw-1
  encke start --engine redis --redis redis://10.0.0.5:6379 --workers 4`,
  gateway: `
  encke gateway --engine redis --redis redis://10.0.0.5:6379 --node-name gw-1 --host 0.0.0.0 --mqtt false`,
  router: `
  encke router --engine redis --redis redis://10.0.0.5:6379 --node-name router-1`,
};

export const startCommand = () => serverCommand('both');
export const gatewayCommand = () => serverCommand('gateway');
export const routerCommand = () => serverCommand('router');

/** Every setting is a flag, an environment variable and a key of the config file. */
function serverCommand(role: NodeRole): Command {
  const command = new Command(commandOf[role])
    .description(described[role])
    .option(
      '--config <file>',
      `JSON file with any of the settings by their keys (env: ${configFileVariable})`,
    )
    .option('--help-all', 'show this help with the rare settings, too')
    .addHelpText(
      'after',
      `
These are the everyday settings: "encke ${commandOf[role]} --help-all" shows all ${settingKeys.length}.
A flag wins over the environment, the environment over the config file. A flag --api-port is
ENCKE_API_PORT in the environment and "apiPort" in the file.
${unusedText(role)}
Examples:${examples[role]}`,
    )
    .action((flags: Record<string, unknown>) => start(role, flags));
  const options = inGroups(settingKeys).map((key) => ({ key, option: optionOf(key) }));
  for (const { key, option } of options) {
    command.addOption(option.hideHelp(!isUsed(key, role) || !isEveryday(key)).helpGroup(headingOf(key)));
  }
  command.on('option:help-all', () => {
    for (const { key, option } of options) option.hideHelp(!isUsed(key, role));
    command.help();
  });
  for (const key of formerKeys) command.addOption(new Option(`${flagOf(key)} <value>`).hideHelp());
  return command;
}

/** One file may hold the settings of all roles. */
function unusedText(role: NodeRole): string {
  const unused = settingKeys.filter((key) => !isUsed(key, role)).map(flagOf);
  if (unused.length === 0) return '';
  const lines = [''];
  for (const flag of unused) {
    if (`${lines.at(-1)}, ${flag}`.length > 100) lines.push('');
    lines.push(`${lines.pop()}${flag}, `);
  }
  return `
Settings of the other half, which may be given and mean nothing here:
${lines
  .map((line) => `  ${line.trimEnd()}`)
  .join('\n')
  .replace(/,$/, '')}
`;
}

function optionOf(key: SettingKey): Option {
  const { default: preset, expects } = settings[key];
  const help = expects.startsWith('one of') ? `${settings[key].help}; ${expects}` : settings[key].help;
  const shown = String(preset) === '' ? '' : `default: ${preset}, `;
  return new Option(`${flagOf(key)} <value>`, `${help} (${shown}env: ${environmentNameOf(key)})`);
}

async function start(role: NodeRole, flags: Record<string, unknown>): Promise<void> {
  try {
    const file = (flags.config as string | undefined) ?? (process.env[configFileVariable] || undefined);
    const sources = { flags, environment: process.env, file, role };
    const config = readConfig(sources);
    const readAgain = () => readSettings(sources);
    const worker = workerOf(process.env);
    if (config.workers > 0 && worker === undefined) {
      const { superviseWorkers } = await import('../gateway/workers/supervisor.js');
      return await superviseWorkers(config, role, readAgain);
    }
    // uWS reads this once, when it is loaded. So it is set before the import.
    process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(config.requestHeadBytesMax);
    const { runGateway } = await import('../gateway/main.js');
    const { openAdmin } = await import('../admin/open.js');
    await runGateway(config, role, worker, openAdmin, readAgain);
  } catch (error) {
    stopWithSentence(commandOf[role], error);
  }
}

/** The codes of errors whose message says what to do. */
const sentences: ReadonlySet<unknown> = new Set([
  'ERR_ENCKE_LISTEN',
  'ERR_ENCKE_ENGINE',
  'ERR_ENCKE_PLATFORM',
  'ERR_ENCKE_STORE',
]);

function stopWithSentence(command: string, error: unknown): never {
  if (error instanceof ConfigError) return exitWith(command, error.message, 2);
  if (error instanceof Error && 'code' in error && sentences.has(error.code)) {
    return exitWith(command, error.message, 1);
  }
  throw error;
}

function exitWith(command: string, sentence: string, code: number): never {
  process.stderr.write(`encke ${command}: ${sentence}\n`);
  process.exit(code);
}
