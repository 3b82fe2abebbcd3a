import { terminalText } from '../terminal-text.js';
import { bytesText, tableOf, timeText } from './table.js';

// biome-ignore lint/suspicious/noExplicitAny: the shapes are in the OpenAPI document
type Entry = any;

export function clientsTable(clients: Entry[]): string {
  return tableOf(
    ['CONNECTION', 'NODE', 'TRANSPORT', 'ADDRESS', 'CLIENT ID', 'USER', 'IDS', 'PENDING'],
    clients.map((client) => [
      client.connection,
      client.node,
      client.transport,
      client.address,
      client.clientId ?? '-',
      client.user ?? '-',
      idsText(client.ids, client.idsCount),
      client.pendingBytes === 0 ? '-' : `${bytesText(client.pendingBytes)} (${client.pendingMessages})`,
    ]),
  );
}

export function sessionsTable(sessions: Entry[]): string {
  return tableOf(
    ['CLIENT ID', 'NODE', 'CLIENT', 'KEPT', 'FILTERS', 'IN FLIGHT', 'QUEUED', 'USER', 'ADDRESS'],
    sessions.map((session) => [
      session.clientId,
      session.node,
      session.connected ? 'connected' : `away ${timeText(session.awaySec ?? 0)}`,
      session.persistent ? 'yes' : 'no',
      session.subscriptions,
      session.inflight,
      session.queued,
      session.user ?? '-',
      session.address ?? '-',
    ]),
  );
}

export function nodesTable(nodes: Entry[]): string {
  return tableOf(
    [
      'NODE',
      'ROLE',
      'VERSION',
      'UP',
      'READY',
      'CONNECTIONS',
      'SESSIONS',
      'IDS',
      'LOST',
      'SLOW',
      'MEMORY',
      'LOOP P99',
    ],
    nodes.map((node) => [
      node.node,
      node.role,
      node.version,
      timeText(node.uptimeSec),
      node.ready ? 'yes' : 'no',
      node.connections,
      node.sessions,
      node.ids,
      node.lost,
      node.slowConsumers,
      bytesText(node.rssBytes),
      `${node.eventLoopP99Ms} ms`,
    ]),
  );
}

export function listenersTable(nodes: Entry[]): string {
  return tableOf(
    ['NODE', 'LISTENER', 'URL', 'SOCKETS'],
    nodes.flatMap((node) =>
      node.listeners.map((listener: Entry) => [node.node, listener.name, listener.url, listener.sockets]),
    ),
  );
}

export function messagesTable(messages: Entry[]): string {
  return tableOf(
    ['TIME', 'ID', 'QOS', 'DATA'],
    messages.map(({ time, id, qos, data, encoding }) => [
      new Date(time).toISOString(),
      id,
      qos,
      encoding === undefined ? shortened(data) : `(base64) ${shortened(data)}`,
    ]),
  );
}

export function subscriptionsTable(client: Entry): string {
  return tableOf(
    ['FILTER', 'QOS'],
    client.subscriptions.map(({ filter, qos }: Entry) => [filter, qos]),
  );
}

/** Formats the members of an object, each on a line of its own. */
export function detailsText(object: Record<string, unknown>): string {
  const rows = Object.entries(object).map(([name, value]) => [
    terminalText(name),
    terminalText(typeof value === 'object' ? JSON.stringify(value) : String(value)),
  ]);
  const width = Math.max(...rows.map(([name]) => name!.length));
  return rows.map(([name, value]) => `${name!.padEnd(width)}  ${value}\n`).join('');
}

function idsText(ids: string[], count: number): string {
  if (ids.length === 0) return '-';
  const [first] = ids;
  return count === 1 ? shortened(first!) : `${shortened(first!)} and ${count - 1} more`;
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

export function reloadsText(nodes: Entry[]): string {
  return nodes.map(({ node, sentence }) => `${node}: ${sentence}\n`).join('');
}
