import { z } from 'zod';
import { connectionTransports } from '../../gateway/connection-transport.js';

/** The shapes of what the admin API lists: each is also the schema of its part of the OpenAPI document. */

export const clientEntry = z
  .object({
    node: z.string(),
    connection: z
      .string()
      .describe('names this connection in other requests; another connection never has it'),
    transport: z.enum(connectionTransports),
    address: z.string(),
    clientId: z.string().optional().describe('MQTT, once CONNECT is accepted'),
    ids: z.array(z.string()).describe('the first ids and filters, 20 at most'),
    idsCount: z.number(),
    user: z.string().optional(),
    pendingBytes: z.number().describe('that its socket does not take; 0 = it keeps up'),
    pendingMessages: z.number(),
  })
  .describe('An open connection');

export const clientDetail = clientEntry.extend({
  superuser: z.boolean().describe('may do everything'),
  subscriptions: z.array(z.object({ filter: z.string(), qos: z.number() })).describe('the first 1,000'),
  stalledSec: z
    .number()
    .optional()
    .describe('time since its socket last took something, where something is pending'),
  keepAliveSec: z.number().optional().describe('MQTT; 0 = none'),
  session: z
    .object({ persistent: z.boolean(), inflight: z.number(), queued: z.number(), awaitingRel: z.number() })
    .optional()
    .describe('MQTT'),
});

export const sessionEntry = z
  .object({
    node: z.string(),
    clientId: z.string(),
    connected: z.boolean(),
    persistent: z.boolean().describe('outlives its connection'),
    subscriptions: z.number(),
    inflight: z.number().describe('sent and not acknowledged'),
    queued: z.number().describe('wait for room in the window, or for the client'),
    awaitingRel: z.number().describe('received at QoS 2, without PUBREL'),
    awaySec: z.number().optional().describe('since its connection ended'),
    user: z.string().optional(),
    address: z.string().optional(),
  })
  .describe('A session of an MQTT client');

export const nodeStatus = z
  .object({
    node: z.string(),
    role: z.enum(['both', 'gateway', 'router']),
    version: z.string(),
    uptimeSec: z.number(),
    ready: z.boolean(),
    reason: z.string().optional().describe('why it is not ready, or what an operator is to mend'),
    connections: z.number(),
    connectionsByTransport: z.record(z.string(), z.number()),
    capacity: z.number(),
    sessions: z.number(),
    ids: z.number(),
    logins: z.number(),
    published: z.number().describe('messages since the start'),
    written: z.number().describe('messages since the start, each recipient once'),
    lost: z.number().describe('messages since the start'),
    slowConsumers: z.number(),
    pendingBytes: z.number(),
    rssBytes: z.number(),
    eventLoopP99Ms: z.number(),
    logLevel: z.string(),
    listeners: z.array(z.object({ name: z.string(), url: z.string(), sockets: z.number() })),
  })
  .describe('A node');

export type ClientEntry = z.output<typeof clientEntry>;
export type ClientDetail = z.output<typeof clientDetail>;
export type SessionEntry = z.output<typeof sessionEntry>;
export type NodeStatus = z.output<typeof nodeStatus>;
