import { checkId } from '../../gateway/http/request.js';
import type { OperatedNode } from '../../gateway/operated-node.js';
import { jsonAnswer, RequestError } from '../answer.js';
import type { NodeOperations, Operations } from '../node/node-operations.js';
import type { NodeQuestions } from '../node/questions.js';
import type { AdminRoute } from '../route.js';
import { KeptMessages } from './kept-messages.js';
import { Pages } from './pages.js';
import { readBody, readQuery } from './queries.js';
import { reloadNodes } from './reloaded-nodes.js';
import * as shapes from './shapes.js';

export interface AdminApiParts {
  readonly node: OperatedNode;
  readonly operations: NodeOperations;
  readonly questions: NodeQuestions;
}

/** The routes of the admin API, which asks all nodes. */
export function apiRoutes({ node, operations, questions }: AdminApiParts): AdminRoute[] {
  const pages = new Pages(questions);
  const kept = new KeptMessages(node);
  const firstOf = async <About extends keyof Operations>(
    about: About,
    details: Operations[About]['details'],
    absent: string,
  ) => {
    const { replies, unanswered } = await questions.ask<Operations[About]['reply']>({ about, details });
    const [found] = replies.values();
    if (found !== undefined) return found;
    const silent = unanswered.length === 0 ? '' : ` These nodes did not answer: ${unanswered.join(', ')}.`;
    throw new RequestError(404, `${absent}${silent}`);
  };
  const noClient = 'There is no such connection: give its "connection", or the client id of an MQTT client.';
  const noSession = 'There is no session of this client id.';

  return [
    {
      method: 'GET',
      path: '/api/v1/nodes',
      summary: 'All nodes, with their numbers and listeners',
      shape: shapes.nodesShape,
      answer: async () => {
        const { replies, unanswered } = await questions.ask({ about: 'status' });
        return jsonAnswer({ nodes: sorted(replies), unanswered });
      },
    },
    {
      method: 'GET',
      path: '/api/v1/clients',
      summary: 'Open connections, of all transports',
      query: shapes.clientsQuery,
      shape: shapes.clientsShape,
      answer: async ({ query }) => {
        const { limit, cursor, ...filter } = readQuery(shapes.clientsQuery, query);
        const { entries, next, unanswered } = await pages.clients(filter, limit, cursor);
        return jsonAnswer({ clients: entries, next: next ?? null, unanswered });
      },
    },
    {
      method: 'GET',
      path: '/api/v1/clients/{connection}',
      summary: 'One connection in full, by its "connection" or its MQTT client id',
      shape: shapes.clientShape,
      answer: async ({ parameter }) => jsonAnswer(await firstOf('client', { name: parameter }, noClient)),
    },
    {
      method: 'DELETE',
      path: '/api/v1/clients/{connection}',
      summary: 'Ends one connection. Its client may come back at once',
      shape: shapes.endedShape,
      answer: async ({ parameter }) => jsonAnswer(await firstOf('kick', { name: parameter }, noClient)),
    },
    {
      method: 'POST',
      path: '/api/v1/kick',
      summary: 'Ends the connections of users, of client ids or of ids, and has these users checked anew',
      body: shapes.kickBody,
      shape: shapes.kickedShape,
      answer: async ({ body }) => {
        const who = readBody(shapes.kickBody, body);
        if (who.users.length + who.clientIds.length + who.ids.length === 0)
          throw new RequestError(400, 'Name users, clientIds or ids.');
        return jsonAnswer(await new Promise((resolve) => void node.kicks.kick(who, resolve)));
      },
    },
    {
      method: 'GET',
      path: '/api/v1/slow',
      summary: 'Slow consumers, by pending bytes',
      query: shapes.limitQuery,
      shape: shapes.slowShape,
      answer: async ({ query }) => {
        const { limit } = readQuery(shapes.limitQuery, query);
        const details = { most: limit };
        const { replies, unanswered } = await questions.ask<Operations['slow']['reply']>({
          about: 'slow',
          details,
        });
        const all = [...replies.values()].flatMap(({ clients }) => clients);
        all.sort((a, b) => b.pendingBytes - a.pendingBytes);
        return jsonAnswer({ clients: all.slice(0, limit), unanswered });
      },
    },
    {
      method: 'GET',
      path: '/api/v1/sessions',
      summary: 'MQTT sessions, of connected clients and of absent ones',
      query: shapes.sessionsQuery,
      shape: shapes.sessionsShape,
      answer: async ({ query }) => {
        const { limit, cursor, ...filter } = readQuery(shapes.sessionsQuery, query);
        const { entries, next, unanswered } = await pages.sessions(filter, limit, cursor);
        return jsonAnswer({ sessions: entries, next: next ?? null, unanswered });
      },
    },
    {
      method: 'GET',
      path: '/api/v1/sessions/{clientId}',
      summary: 'One session',
      shape: shapes.sessionShape,
      answer: async ({ parameter }) =>
        jsonAnswer(await firstOf('session', { clientId: parameter }, noSession)),
    },
    {
      method: 'DELETE',
      path: '/api/v1/sessions/{clientId}',
      summary: 'Ends a session, and its connection. Its messages are lost, and counted',
      shape: shapes.sessionShape,
      answer: async ({ parameter }) =>
        jsonAnswer(await firstOf('end-session', { clientId: parameter }, noSession)),
    },
    {
      method: 'GET',
      path: '/api/v1/ids/{id}',
      summary: 'How many subscribers a message to this id has, and at which nodes',
      shape: shapes.idShape,
      answer: async ({ parameter }) => jsonAnswer(await subscribersOf(node, parameter)),
    },
    {
      method: 'GET',
      path: '/api/v1/history/{id}',
      summary: 'The last messages of an id, oldest first',
      query: shapes.limitQuery,
      shape: shapes.messagesShape,
      answer: async ({ parameter, query }) =>
        jsonAnswer(await kept.history(parameter, readQuery(shapes.limitQuery, query).limit)),
    },
    {
      method: 'GET',
      path: '/api/v1/retained',
      summary: 'Retained messages of a topic filter, in no order',
      query: shapes.retainedQuery,
      shape: shapes.messagesShape,
      answer: async ({ query }) => {
        const { filter, limit } = readQuery(shapes.retainedQuery, query);
        return jsonAnswer(await kept.retained(filter, limit));
      },
    },
    {
      method: 'DELETE',
      path: '/api/v1/retained/{filter}',
      summary: 'Clears the retained messages of a topic filter; subscribers get an empty message',
      shape: shapes.clearedShape,
      answer: async ({ parameter }) => jsonAnswer({ cleared: await kept.clear(parameter) }),
    },
    {
      method: 'PUT',
      path: '/api/v1/log-level',
      summary: 'Sets the log level until the next start, on one node or on all',
      body: shapes.logLevelBody,
      shape: shapes.logLevelShape,
      answer: async ({ body }) => {
        const { level, node: name } = readBody(shapes.logLevelBody, body);
        const { replies, unanswered } = await questions.ask({
          about: 'log-level',
          details: { level },
          nodes: oneOrAll(name),
        });
        return jsonAnswer({ level, nodes: [...replies.keys()].sort(), unanswered });
      },
    },
    {
      method: 'POST',
      path: '/api/v1/reload',
      summary: 'Has one node or all read their settings again. A node takes them whole or not at all',
      body: shapes.nodeOrAllBody,
      shape: shapes.reloadShape,
      answer: async ({ body }) => {
        const { node: name } = readBody(shapes.nodeOrAllBody, body);
        return jsonAnswer(await reloadNodes(questions, oneOrAll(name)));
      },
    },
    {
      method: 'POST',
      path: '/api/v1/drain',
      summary: 'Takes a node out: no new clients, and its connections end. /ready says no',
      body: shapes.drainBody,
      shape: shapes.drainShape,
      answer: ({ body }) => {
        const { node: name, seconds: drainSec = node.shared.config.drainSec } = readBody(
          shapes.drainBody,
          body,
        );
        return atNode('drain', { drainSec }, name);
      },
    },
    {
      method: 'POST',
      path: '/api/v1/undrain',
      summary: 'Takes a drained node in again',
      body: shapes.nodeBody,
      shape: shapes.drainShape,
      answer: ({ body }) => atNode('undrain', undefined, readBody(shapes.nodeBody, body).node),
    },
  ];

  async function atNode(about: 'drain' | 'undrain', details: object | undefined, name = operations.name) {
    const { replies } = await questions.ask<Record<string, boolean>>({
      about,
      details,
      nodes: [known(name)],
    });
    const reply = replies.get(name);
    if (reply === undefined)
      throw new RequestError(504, `Node ${name} did not answer: it may have done it, or not.`);
    if (reply.draining === false) throw new RequestError(409, `Node ${name} takes no clients already.`);
    if (reply.undrained === false) throw new RequestError(409, `Node ${name} is not drained.`);
    return jsonAnswer({ node: name, draining: about === 'drain' });
  }

  function oneOrAll(name: string | undefined): string[] | undefined {
    return name === undefined ? undefined : [known(name)];
  }

  function known(name: string): string {
    if (questions.names.includes(name)) return name;
    throw new RequestError(404, `There is no node ${name.slice(0, 80)}: ${questions.names.join(', ')}.`);
  }
}

/** @throws RequestError */
async function subscribersOf({ shared, subscriberLocations }: OperatedNode, text: string): Promise<object> {
  const id = checkId(text, shared.config);
  if (!id.ok) throw new RequestError(400, id.problem);
  return new Promise((resolve) => subscriberLocations.find(id.value, resolve));
}

function sorted(replies: ReadonlyMap<string, unknown>): unknown[] {
  return [...replies].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, reply]) => reply);
}
