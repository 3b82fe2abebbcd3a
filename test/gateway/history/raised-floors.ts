import type { GatewayProcess } from '../../gateway-process.js';

/** With it there is room for few ids: each is forgotten soon after its message. */
export const littleHistory = ['--history-bytes-total-max', '200000'];

/** A forgotten offset is the least of four of 2^18 places. After so many other ids, few places are unchanged. */
const others = 400_000;

/** Each has one message, and is forgotten at once; that raises what is remembered of ids to which nothing was sent. */
export async function raiseFloors(gateway: GatewayProcess): Promise<void> {
  for (let from = 0; from < others; from += 100_000) {
    const lines = Array.from({ length: 100_000 }, (_, n) => `{"id":"o${from + n}","data":""}\n`);
    const answer = await fetch(`${gateway.apiUrl}/send`, { method: 'POST', body: lines.join('') });
    if (answer.status !== 200) throw new Error(await answer.text());
  }
}
