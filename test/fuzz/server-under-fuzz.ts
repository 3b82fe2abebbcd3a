import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { until } from '../until.js';

/** The gateway that is fuzzed, and what it must be when nobody is connected any more. */

const flags = [
  ['--log-level', 'error'],
  ['--mqtt-session-expiry', '1'],
  ['--mqtt-max-sessions', '5000'],
  // Retained messages outlive their publisher: this much may stay.
  ['--mqtt-max-retained', '1000'],
  ['--mqtt-idle-timeout', '20'],
  ['--mqtt-max-pending-connects-per-address', '0'], // all lanes are of one address
  ['--reclaim-after-closed', '1000'],
  // A ping that is answered tells that all before it has been handled only where nothing waits for its turn.
  ['--turn-budget-ms', '60000'],
].flat();

/** @param program another `encke start` than this tree's, for breaking it */
export function startServerUnderFuzz(program?: string): Promise<GatewayProcess> {
  return startGateway({ flags, ...(program !== undefined && { program }) });
}

/** Each of them must be 0 when all have gone. */
export interface Remains {
  connections: number;
  sockets: number;
  sessions: number;
  sessionBytes: number;
  busySessions: number;
  subscribers: number;
  subscriptions: number;
  filters: number;
  partialPackets: number;
  receiveQueues: number;
  retainedReplays: number;
  slowConsumers: number;
  pendingBytes: number;
}

export async function remainsOf(gateway: GatewayProcess): Promise<Remains> {
  const { connections, sockets, mqtt, router, slowConsumers } = await gateway.stats();
  return {
    connections: connections.open,
    sockets: sockets.gateway,
    sessions: mqtt.sessions.sessions,
    sessionBytes: mqtt.sessions.bytes,
    busySessions: mqtt.sessions.busy,
    subscribers: router.subscribers,
    subscriptions: router.logins,
    filters: router.filters,
    partialPackets: mqtt.partialPackets,
    receiveQueues: mqtt.receiveQueues.now,
    retainedReplays: mqtt.retainedReplays,
    slowConsumers: slowConsumers.now,
    pendingBytes: slowConsumers.pendingBytes,
  };
}

/** Waits until nothing is left of the connections that were. @returns what is, if it stays */
export async function untilNothingRemains(gateway: GatewayProcess): Promise<Partial<Remains>> {
  let left: Partial<Remains> = {};
  const nothing = async () => {
    const all = Object.entries(await remainsOf(gateway)).filter(([, count]) => count !== 0);
    left = Object.fromEntries(all);
    return all.length === 0;
  };
  await until('nothing remains', nothing, 15_000).catch(() => undefined);
  return left;
}

/** Waits until memory has been given back, which is seen by RSS not sinking any more. @returns bytes */
export async function settledRss(gateway: GatewayProcess): Promise<number> {
  let least = gateway.rssBytes;
  let sinceMs = performance.now();
  // It is given back when 2 s have been quiet.
  while (performance.now() - sinceMs < 4_000) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (gateway.rssBytes >= least - 100_000) continue;
    least = gateway.rssBytes;
    sinceMs = performance.now();
  }
  return gateway.rssBytes;
}
