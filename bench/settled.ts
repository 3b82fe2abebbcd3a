import type { GatewayProcess } from '../test/gateway-process.js';

/** RSS once it has stayed within 100 KB for 4 s (a server that gives memory back does so after 2 s of quiet), after at most 30 s. */
export async function settled(gateway: GatewayProcess): Promise<number> {
  let last = gateway.rssBytes;
  let still = 0;
  for (let i = 0; i < 120 && still < 16; i++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const now = gateway.rssBytes;
    still = Math.abs(now - last) < 100_000 ? still + 1 : 0;
    last = now;
  }
  return last;
}
