import type { Engine } from '../../../router/engine/engine.js';
import type { NatsEngineOptions } from '../../../router/engine/nats/engine-options.js';
import { NatsEngine } from '../../../router/engine/nats.js';
import { type HistoryRule, HistoryRules } from '../../../router/history/history-rules.js';

/** An engine as a node has it, in this process. */
export function natsEngineAt(servers: string, options: Partial<NatsEngineOptions> = {}): NatsEngine {
  return new NatsEngine({
    name: 'test',
    node: { name: 'node', group: '', role: 'both' },
    link: { servers: servers.split(','), unconfirmedBytesMax: 64 * 1024 * 1024 },
    countWaitMs: 5_000,
    payloadBytesMax: 256 * 1024,
    history: historyOf(),
    onEvent() {},
    ...options,
  });
}

export function historyOf(...rules: HistoryRule[]): NatsEngineOptions['history'] {
  return { rules: new HistoryRules(rules), bytesMax: 64 * 1024 * 1024, replicas: 1 };
}

export async function connectNats(engine: Engine): Promise<void> {
  await (engine as NatsEngine).open();
}

/** With one subscriber to everything. */
export async function startNats(engine: NatsEngine): Promise<void> {
  await engine.open();
  await engine.start(
    () => 1,
    () => {},
  );
}
