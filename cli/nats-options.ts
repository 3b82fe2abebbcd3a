import { type Command, Option } from 'commander';
import type { NameAddress } from '../msggen/global-name.js';
import { clusterName, natsServers } from './values.js';

/** The flags of a tool that asks a router by its global name on NATS. */

export interface NatsFlags {
  nats?: string[];
  name?: string;
  natsCreds?: string;
  natsToken?: string;
  natsCaFile?: string;
  natsCertFile?: string;
  natsKeyFile?: string;
}

export const natsFlagNames = [
  'nats',
  'name',
  'natsCreds',
  'natsToken',
  'natsCaFile',
  'natsCertFile',
  'natsKeyFile',
] as const;

const defaultServers = ['nats://127.0.0.1:4222'];
const defaultName = 'encke';

/** @param what goes over it, for the help */
export function addNatsOptions(command: Command, what: string): Command {
  const options = [
    new Option('--nats <urls>', `${what}: servers of one NATS cluster, such as ${defaultServers}`).argParser(
      natsServers,
    ),
    new Option('--name <name>', `global name of the router on NATS (default: ${defaultName})`)
      .env('ENCKE_NAME')
      .argParser(clusterName),
    new Option('--nats-creds <file>', "a NATS user's JWT and seed").env('ENCKE_NATS_CREDS'),
    new Option('--nats-token <token>', 'token of the NATS servers').env('ENCKE_NATS_TOKEN'),
    new Option('--nats-ca-file <file>', 'certificate authority of the NATS servers').env(
      'ENCKE_NATS_CA_FILE',
    ),
    new Option('--nats-cert-file <file>', 'certificate to show to NATS').env('ENCKE_NATS_CERT_FILE'),
    new Option('--nats-key-file <file>', 'its private key').env('ENCKE_NATS_KEY_FILE'),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

export function nameAddressOf(flags: NatsFlags): NameAddress {
  return {
    servers: flags.nats ?? defaultServers,
    name: flags.name || defaultName,
    token: flags.natsToken || undefined,
    credentialsFile: flags.natsCreds || undefined,
    tls: {
      caFile: flags.natsCaFile || undefined,
      certFile: flags.natsCertFile || undefined,
      keyFile: flags.natsKeyFile || undefined,
    },
  };
}
