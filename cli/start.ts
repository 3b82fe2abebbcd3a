import { Command, Option } from 'commander';
import {
  ConfigError,
  environmentNameOf,
  flagOf,
  readConfig,
  type SettingKey,
  settingKeys,
  settings,
} from '../gateway/config.js';
import { workerOf } from '../gateway/workers/worker.js';

const configFileVariable = 'ENCKE_CONFIG';

/** `encke start`: every setting is a flag, an environment variable and a key of the config file. */
export function startCommand(): Command {
  const command = new Command('start')
    .description('start the gateway and its router')
    .option(
      '--config <file>',
      `JSON file with any of the settings by their keys (env: ${configFileVariable})`,
    )
    .addHelpText(
      'after',
      `
A flag wins over the environment, the environment over the config file. A flag --api-port is
ENCKE_API_PORT in the environment and "apiPort" in the file.

Examples:
  encke start
  encke start --port 9000 --log-level warn
  encke start --workers 2 --engine nats --nats nats://127.0.0.1:4222
  encke start --host 0.0.0.0 --mqtt-token "$(openssl rand -hex 16)"
  encke start --host 0.0.0.0 --mqtt false --api-host 0.0.0.0 --api-token "$(openssl rand -hex 16)"`,
    )
    .action(start);
  for (const key of settingKeys) command.addOption(optionOf(key));
  return command;
}

function optionOf(key: SettingKey): Option {
  const { default: preset, expects } = settings[key];
  const help = expects.startsWith('one of') ? `${settings[key].help}; ${expects}` : settings[key].help;
  const shown = Array.isArray(preset) || preset === '' ? '' : `default: ${preset}, `;
  return new Option(`${flagOf(key)} <value>`, `${help} (${shown}env: ${environmentNameOf(key)})`);
}

async function start(flags: Record<string, unknown>): Promise<void> {
  try {
    const file = (flags.config as string | undefined) ?? (process.env[configFileVariable] || undefined);
    const config = readConfig({ flags, environment: process.env, file });
    const worker = workerOf(process.env);
    if (config.workers > 0 && worker === undefined) {
      const { superviseWorkers } = await import('../gateway/workers/supervisor.js');
      return await superviseWorkers(config);
    }
    // uWS reads this once, when it is loaded; so it is set before anything imports it.
    process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(config.requestHeadBytesMax);
    const { runGateway } = await import('../gateway/main.js');
    await runGateway(config, worker);
  } catch (error) {
    stopWithSentence(error);
  }
}

/** Codes of errors whose message says how to mend them. */
const sentences: ReadonlySet<unknown> = new Set(['ERR_ENCKE_LISTEN', 'ERR_ENCKE_ENGINE']);

function stopWithSentence(error: unknown): never {
  if (error instanceof ConfigError) return exitWith(error.message, 2);
  if (error instanceof Error && 'code' in error && sentences.has(error.code)) {
    return exitWith(error.message, 1);
  }
  if (error instanceof Error && error.message.startsWith('This version of uWS.js')) {
    return exitWith(
      `uWebSockets.js has no binary for Node ${process.version} on ${process.platform}: use Node 20 or 22, on Linux with glibc or macOS.`,
      1,
    );
  }
  throw error;
}

function exitWith(sentence: string, code: number): never {
  process.stderr.write(`encke start: ${sentence}\n`);
  process.exit(code);
}
