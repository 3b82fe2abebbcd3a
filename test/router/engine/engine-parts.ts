import { NatsEngine, type NatsEngineOptions } from '../../../router/engine/nats.js';

/** An engine as a node has it, in this process. */
export function natsEngineAt(servers: string, options: Partial<NatsEngineOptions> = {}): NatsEngine {
  return new NatsEngine({
    name: 'test',
    node: { name: 'node', group: '', role: 'both' },
    link: { servers: servers.split(','), unconfirmedBytesMax: 64 * 1024 * 1024 },
    countWaitMs: 5_000,
    payloadBytesMax: 256 * 1024,
    onEvent() {},
    ...options,
  });
}
