import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { type Ask, ask, batchOf, type Wire } from '../raw-wire.js';

/** Helpers for tests of history: polls on sockets of their own, and many messages in one turn. */

export interface Polled {
  wire: Wire;
  status: number;
  cursor: string;
  recovered: boolean;
  more: boolean;
  texts: string[];
}

/** One poll, and its answer. @param path `poll/<id>?…` or `poll?id=…` */
export async function poll(port: number, path: string, options: Ask = {}): Promise<Polled> {
  return polledOf(await ask(port, `/${path}`, options));
}

export function polledOf(wire: Wire): Polled {
  const body = wire.status === 200 ? wire.json : {};
  return {
    wire,
    status: wire.status,
    cursor: body.cursor ?? wire.header('Encke-Cursor') ?? '',
    recovered: body.recovered,
    more: body.more,
    texts: (body.messages ?? []).map(({ data }: { data: string }) => data),
  };
}

/** Where an id stands now. */
export async function cursorNow(port: number, ids: string): Promise<string> {
  return (await poll(port, `poll${ids}${ids.includes('?') ? '&' : '?'}timeout=0`)).cursor;
}

/** Polls until there is no more. */
export async function pollAll(port: number, ids: string, from: string): Promise<Polled[]> {
  const answers: Polled[] = [];
  const join = ids.includes('?') ? '&' : '?';
  for (let asked = from; ; asked = `cursor=${answers.at(-1)!.cursor}`) {
    const answer = await poll(port, `poll${ids}${join}${asked}&timeout=0`);
    answers.push(answer);
    if (answer.more !== true) return answers;
  }
}

/** Publishes all of them in one turn of the server's loop. */
export async function publish(gateway: GatewayProcess, id: string, texts: readonly string[]): Promise<void> {
  const body = batchOf(texts.map((data) => ({ id, data })));
  const answer = await ask(gateway.apiPort, '/send', { method: 'POST', body });
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
}

export function numbered(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, n) => `m${n + from}`);
}

/** A batch takes one turn here, however busy the machine is. */
export function startQuietly(flags: string[] = []): Promise<GatewayProcess> {
  const quiet = ['--heartbeat-sec', '0', '--log-level', 'warn', '--turn-budget-ms', '60000'];
  return startGateway({ flags: [...quiet, ...flags] });
}
