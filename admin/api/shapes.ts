import { z } from 'zod';
import { logLevels } from '../../gateway/log/log-levels.js';
import { clientDetail, clientEntry, nodeStatus, sessionEntry } from '../node/entries.js';

/** The schemas of the queries, bodies and answers of the admin API. */

const unanswered = z
  .array(z.string())
  .describe('names of the nodes that did not answer in time, and are missing here');
const next = z.string().nullable().describe('the cursor of the next page; null at the end');

/** A boolean of a query, in which every value is text. */
const yesOrNo = z.enum(['true', 'false']).transform((text) => text === 'true');

const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('most entries of a page'),
  cursor: z.string().optional().describe('the "next" of the page before'),
});

export const clientsQuery = pageQuery.extend({
  transport: z.string().optional(),
  address: z.string().optional().describe('exactly this one'),
  user: z.string().optional(),
  clientId: z.string().optional().describe('MQTT'),
  id: z.string().optional().describe('logged in with exactly this id or filter'),
  slow: yesOrNo.optional().describe('true = those with a backlog'),
});

export const sessionsQuery = pageQuery.extend({
  connected: yesOrNo.optional(),
  user: z.string().optional(),
  waiting: yesOrNo.optional().describe('true = those with messages'),
});

export const limitQuery = pageQuery.pick({ limit: true });
export const retainedQuery = limitQuery.extend({
  filter: z.string().default('#').describe('a topic filter'),
});
export const nodeBody = z.object({
  node: z.string().optional().describe('name of a node; none = the one that is asked'),
});
const names = z.array(z.string().min(1)).max(1_000).default([]);
export const kickBody = z.object({
  users: names.describe('names of users'),
  clientIds: names.describe('of MQTT clients'),
  ids: names.describe('of those that are logged in with exactly one of them'),
});
export const nodeOrAllBody = z.object({ node: z.string().optional().describe('name of a node; none = all') });
export const drainBody = nodeBody.extend({
  seconds: z
    .number()
    .min(0)
    .max(86_400)
    .optional()
    .describe('the connections end spread over this time; none = drainSec'),
});
export const logLevelBody = nodeOrAllBody.extend({ level: z.enum(logLevels) });

export const clientsShape = z.object({ clients: z.array(clientEntry), next, unanswered });
export const clientShape = z.object({ client: clientDetail });
export const endedShape = z.object({ ended: clientEntry.loose() });
export const slowShape = z.object({ clients: z.array(clientEntry), unanswered });
export const sessionsShape = z.object({ sessions: z.array(sessionEntry), next, unanswered });
export const sessionShape = z.object({ session: sessionEntry });
export const nodesShape = z.object({ nodes: z.array(nodeStatus), unanswered });
export const idShape = z.object({
  id: z.string(),
  subscribers: z.number().describe('that would get a message to it'),
  nodes: z.array(z.object({ node: z.string(), subscribers: z.number() })).optional(),
  unanswered: z.number().optional().describe('nodes that did not answer in time'),
});
const message = z.object({
  id: z.string(),
  data: z.string().describe('the text; base64 where it is not UTF-8'),
  encoding: z.literal('base64').optional(),
  time: z.number().describe('ms since 1970'),
  qos: z.number(),
});
export const kickedShape = z.object({
  kicked: z.number().describe('connections that were ended'),
  nodes: z.array(z.object({ node: z.string(), kicked: z.number() })).optional(),
  unanswered: z.number().optional().describe('nodes that did not answer in time: they may have ended some'),
});
export const messagesShape = z.object({
  messages: z.array(message),
  more: z.boolean().describe('there are more than the limit'),
});
export const clearedShape = z.object({ cleared: z.number() });
export const logLevelShape = z.object({
  level: z.string(),
  nodes: z.array(z.string()).describe('those that have it now'),
  unanswered,
});
export const drainShape = z.object({ node: z.string(), draining: z.boolean() });
export const reloadShape = z.object({
  nodes: z.array(
    z.object({
      node: z.string(),
      taken: z.boolean().describe('false = nothing has changed, as the settings cannot be taken'),
      sentence: z.string().describe('what has changed, or why nothing has'),
      changed: z.array(z.string()).describe('settings that are in effect now'),
      needRestart: z.array(z.string()).describe('settings that have another value from the next start on'),
      overridden: z.array(z.string()).describe('settings of the file that a flag or the environment sets'),
    }),
  ),
  unanswered,
});
