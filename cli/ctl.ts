import { Argument, Command, Option } from 'commander';
import { logLevels } from '../gateway/log/log-levels.js';
import { act } from './ctl/action.js';
import { defaultAdminUrl, pathOf, queryOf } from './ctl/admin-client.js';
import { listAll } from './ctl/lists.js';
import {
  clientsTable,
  detailsText,
  listenersTable,
  messagesTable,
  nodesTable,
  reloadsText,
  sessionsTable,
  subscriptionsTable,
} from './ctl/tables.js';
import { adminUrl, durationMs, positiveInteger } from './flag-values.js';

/** `encke ctl …`: asks the operator's listener of a gateway, and has it do things, on all nodes. */
export function ctlCommand(): Command {
  const ctl = new Command('ctl')
    .description('look at a running gateway and its cluster, and change them')
    .addOption(
      new Option('--admin <url>', "the operator's listener of any node")
        .env('ENCKE_ADMIN_URL')
        .argParser(adminUrl)
        .default(new URL(defaultAdminUrl), defaultAdminUrl),
    )
    .addOption(new Option('--token <token>', 'its token').env('ENCKE_ADMIN_TOKEN'))
    .addOption(new Option('--token-file <path>', 'a file that holds it').env('ENCKE_ADMIN_TOKEN_FILE'))
    .option('--json', 'print the answer as JSON, for programs')
    .option('--timeout <duration>', 'for so long an answer is waited for', durationMs, 30_000)
    .addHelpText(
      'after',
      `
Examples:
  encke ctl status
  encke ctl clients list --transport sse --limit 20
  encke ctl clients kick sensor-7
  encke ctl sessions list --waiting
  encke ctl --admin http://10.0.0.5:8002 --token-file /etc/encke/admin-token drain
  encke ctl --json nodes`,
    );
  addNodes(ctl);
  addClients(ctl);
  addSessions(ctl);
  addMessages(ctl);
  addChanges(ctl);
  return ctl;
}

const limit = () => new Option('--limit <count>', 'most entries').argParser(positiveInteger).default(100);

function addNodes(ctl: Command): void {
  const nodes = (name: string, description: string, text: (nodes: never[]) => string) =>
    ctl
      .command(name)
      .description(description)
      .action((_flags, command: Command) =>
        act(command, async (client) => {
          const json = await client.request('GET', '/api/v1/nodes');
          return { json, text: text(json.nodes), unanswered: json.unanswered };
        }),
      );
  const statusText = (all: never[]) => nodesTable(all) + reasonsOf(all);
  nodes('status', 'each node: whether it is ready, and its numbers', statusText);
  nodes('nodes', 'the same as status', statusText);
  nodes('listeners', 'the listeners of each node, and their sockets', listenersTable);
}

function reasonsOf(nodes: { node: string; reason?: string }[]): string {
  const lines = nodes
    .filter(({ reason }) => reason !== undefined)
    .map(({ node, reason }) => `${node}: ${reason}\n`);
  return lines.length === 0 ? '' : `\n${lines.join('')}`;
}

function addClients(ctl: Command): void {
  const clients = ctl.command('clients').description('open connections, of all transports');
  clients
    .command('list', { isDefault: true })
    .description('list them')
    .option('--transport <name>', 'http-chunked, ndjson, sse, sse-json, long-poll or mqtt-ws')
    .option('--address <address>', 'from exactly this address')
    .option('--user <name>', 'of this user')
    .option('--client-id <id>', 'of this MQTT client')
    .option('--id <id>', 'logged in with exactly this id or filter')
    .option('--slow', 'only those with a backlog')
    .addOption(limit())
    .action((flags, command: Command) =>
      act(command, async (client) => {
        const { limit: most, transport, address, user, clientId, id, slow } = flags;
        const filter = { transport, address, user, clientId, id, slow };
        const { entries, more, unanswered } = await listAll(client, 'clients', filter, most);
        return {
          json: { clients: entries, more, unanswered },
          text: clientsTable(entries),
          more,
          unanswered,
        };
      }),
    );
  clients
    .command('show')
    .description('one connection in full')
    .argument('<connection>', 'its name in the list, or an MQTT client id')
    .action((name: string, _flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('GET', pathOf('clients', name));
        const { subscriptions: _subscriptions, ids: _ids, ...others } = json.client;
        return { json, text: `${detailsText(others)}\n${subscriptionsTable(json.client)}` };
      }),
    );
  clients
    .command('kick')
    .description('end one connection; its client may come back at once')
    .argument('<connection>', 'its name in the list, or an MQTT client id')
    .action((name: string, _flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('DELETE', pathOf('clients', name));
        return { json, text: clientsTable([json.ended]) };
      }),
    );
  ctl
    .command('kick')
    .description(
      'end all connections of users, MQTT clients or ids; users are checked anew when they come back',
    )
    .option('--user <name...>', 'names of users')
    .option('--client-id <id...>', 'MQTT client ids')
    .option('--id <id...>', 'ids or filters that they are logged in with')
    .action((flags, command: Command) =>
      act(command, async (client) => {
        const body = { users: flags.user, clientIds: flags.clientId, ids: flags.id };
        const json = await client.request('POST', '/api/v1/kick', body);
        return { json, text: `${json.kicked} ended\n` };
      }),
    );
  ctl
    .command('subscriptions')
    .description('the ids and filters of one connection')
    .argument('<connection>', 'its name in the list, or an MQTT client id')
    .action((name: string, _flags, command: Command) =>
      act(command, async (client) => {
        const { client: found } = await client.request('GET', pathOf('clients', name));
        return { json: { subscriptions: found.subscriptions }, text: subscriptionsTable(found) };
      }),
    );
  ctl
    .command('slow')
    .description('slow consumers, by pending bytes')
    .addOption(limit())
    .action((flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('GET', queryOf('slow', { limit: flags.limit }));
        return { json, text: clientsTable(json.clients), unanswered: json.unanswered };
      }),
    );
}

function addSessions(ctl: Command): void {
  const sessions = ctl
    .command('sessions')
    .description('MQTT sessions, of connected clients and of absent ones');
  sessions
    .command('list', { isDefault: true })
    .description('list them')
    .option('--connected', 'only those whose clients are connected')
    .option('--away', 'only those whose clients are not')
    .option('--waiting', 'only those with messages')
    .option('--user <name>', 'of this user')
    .addOption(limit())
    .action((flags, command: Command) =>
      act(command, async (client) => {
        const connected = flags.connected ? true : flags.away ? false : undefined;
        const filter = { connected, waiting: flags.waiting, user: flags.user };
        const { entries, more, unanswered } = await listAll(client, 'sessions', filter, flags.limit);
        return {
          json: { sessions: entries, more, unanswered },
          text: sessionsTable(entries),
          more,
          unanswered,
        };
      }),
    );
  const one = (name: string, description: string, method: 'GET' | 'DELETE') =>
    sessions
      .command(name)
      .description(description)
      .argument('<client-id>', 'of the MQTT client')
      .action((clientId: string, _flags, command: Command) =>
        act(command, async (client) => {
          const json = await client.request(method, pathOf('sessions', clientId));
          return { json, text: sessionsTable([json.session]) };
        }),
      );
  one('show', 'one session', 'GET');
  one('end', 'end a session and its connection; its messages are lost, and counted', 'DELETE');
}

function addMessages(ctl: Command): void {
  ctl
    .command('id')
    .description('how many subscribers a message to an id has, and where')
    .argument('<id>')
    .action((id: string, _flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('GET', pathOf('ids', id));
        return { json, text: detailsText(json) };
      }),
    );
  ctl
    .command('history')
    .description('the last messages of an id')
    .argument('<id>')
    .addOption(limit())
    .action((id: string, flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('GET', `${pathOf('history', id)}?limit=${flags.limit}`);
        return { json, text: messagesTable(json.messages), more: json.more };
      }),
    );
  const retained = ctl.command('retained').description('retained messages');
  retained
    .command('list', { isDefault: true })
    .description('list them, in no order')
    .argument('[filter]', 'a topic filter', '#')
    .addOption(limit())
    .action((filter: string, flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('GET', queryOf('retained', { filter, limit: flags.limit }));
        return { json, text: messagesTable(json.messages), more: json.more };
      }),
    );
  retained
    .command('clear')
    .description('clear those of a topic filter; subscribers get an empty message')
    .argument('<filter>', 'a topic filter')
    .action((filter: string, _flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('DELETE', pathOf('retained', filter));
        return { json, text: `${json.cleared} cleared\n` };
      }),
    );
}

function addChanges(ctl: Command): void {
  ctl
    .command('reload')
    .description('read the settings again, and take them whole or not at all; no connection ends')
    .option('--node <name>', 'which node; otherwise all')
    .action((flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('POST', '/api/v1/reload', { node: flags.node });
        if (json.nodes.some(({ taken }: { taken: boolean }) => !taken)) process.exitCode = 1;
        return { json, text: reloadsText(json.nodes), unanswered: json.unanswered };
      }),
    );
  ctl
    .command('drain')
    .description('take a node out: it takes no clients, and ends their connections')
    .option('--node <name>', 'which node; otherwise the one of --admin')
    .option(
      '--over <duration>',
      'spread the ends over this time; otherwise over drainSec of the node',
      durationMs,
    )
    .action((flags, command: Command) =>
      act(command, async (client) => {
        const seconds = flags.over === undefined ? undefined : flags.over / 1000;
        const json = await client.request('POST', '/api/v1/drain', { node: flags.node, seconds });
        return { json, text: `${json.node} is draining: "encke ctl status" shows its connections\n` };
      }),
    );
  ctl
    .command('undrain')
    .description('take a drained node in again')
    .option('--node <name>', 'which node; otherwise the one of --admin')
    .action((flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('POST', '/api/v1/undrain', { node: flags.node });
        return { json, text: `${json.node} takes clients again\n` };
      }),
    );
  ctl
    .command('log-level')
    .description('set the log level until the next start')
    .addArgument(new Argument('<level>').choices(logLevels))
    .option('--node <name>', 'which node; otherwise all')
    .action((level: string, flags, command: Command) =>
      act(command, async (client) => {
        const json = await client.request('PUT', '/api/v1/log-level', { level, node: flags.node });
        return { json, text: `${level} on ${json.nodes.join(', ')}\n`, unanswered: json.unanswered };
      }),
    );
}
