import type { GatewayProcess } from '../test/gateway-process.js';

/** RSS once it has stayed within 100 KB for a second, after at most 20 s. */
export async function settled(gateway: GatewayProcess): Promise<number> {
  let last = gateway.rssBytes;
  let still = 0;
  for (let i = 0; i < 80 && still < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const now = gateway.rssBytes;
    still = Math.abs(now - last) < 100_000 ? still + 1 : 0;
    last = now;
  }
  return last;
}
