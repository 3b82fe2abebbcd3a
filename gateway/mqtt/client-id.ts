import { randomUUID } from 'node:crypto';

/** Of this process, so that no client of another node has such an id. */
const prefix = `encke-${randomUUID().slice(0, 8)}`;

/** For a client that has not chosen one [MQTT-3.1.3-6]. */
export function makeClientId(): string {
  return prefix + randomUUID().slice(8);
}

export function isMadeHere(clientId: string): boolean {
  return clientId.startsWith(prefix);
}
