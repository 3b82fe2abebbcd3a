/**
 * `--token` and `--token-file`, and the same for MQTT. The file is for machines where others can read a command line.
 */
import { type Command, Option } from 'commander';
import { tokenFrom } from '../gateway/token-file.js';

export interface TokenFlags {
  token?: string;
  tokenFile?: string;
}

export interface MqttTokenFlags {
  mqttToken?: string;
  mqttTokenFile?: string;
}

export function addTokenOptions(command: Command): Command {
  return command
    .addOption(new Option('--token <token>', 'token of the router API').env('ENCKE_API_TOKEN'))
    .addOption(new Option('--token-file <path>', 'a file that holds it').env('ENCKE_API_TOKEN_FILE'));
}

/** @param transport the one transport that the flags are for, if there are several */
export function mqttTokenOptions(transport = ''): { mqttToken: Option; mqttTokenFile: Option } {
  return {
    mqttToken: new Option('--mqtt-token <token>', `${transport}password`).env('ENCKE_MQTT_TOKEN'),
    mqttTokenFile: new Option('--mqtt-token-file <path>', `${transport}a file that holds it`).env(
      'ENCKE_MQTT_TOKEN_FILE',
    ),
  };
}

/** A flag overrides a variable. A token given both ways, or an unusable file, ends the process with a sentence. */
export function tokenOf(command: Command, name: 'token' | 'mqttToken'): string | undefined {
  const token: string | undefined = command.getOptionValue(name) || undefined;
  const path: string | undefined = command.getOptionValue(`${name}File`) || undefined;
  if (path === undefined) return token;
  const [flag, fileFlag] = [name, `${name}File`].map(
    (attribute) => command.options.find((option) => option.attributeName() === attribute)!.long!,
  );
  const sourceOfToken = command.getOptionValueSource(name);
  const sourceOfFile = command.getOptionValueSource(`${name}File`);
  if (token !== undefined && sourceOfToken === 'cli' && sourceOfFile !== 'cli') return token;
  if (token !== undefined && sourceOfToken === sourceOfFile) {
    return command.error(`error: ${flag} and ${fileFlag} say the same thing: give one of them.`, {
      exitCode: 2,
    });
  }
  const read = tokenFrom(fileFlag!, path);
  if ('token' in read) return read.token;
  return command.error(`error: ${read.problem}`, { exitCode: 2 });
}
