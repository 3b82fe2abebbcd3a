/** Settings of the engine on NATS, which the one on Redis has replaced, and what says the same now. */
const successors = {
  nats: '--redis redis://127.0.0.1:6379',
  natsCreds: '--redis-user and --redis-password-file',
  natsToken: '--redis-password-file',
  natsCaFile: '--redis-ca-file',
  natsCertFile: '--redis-cert-file',
  natsKeyFile: '--redis-key-file',
  natsPendingBytesMax: '--redis-pending-bytes-max',
  historyReplicas: '--redis, and replicas of that server',
} as const;

export const formerEngine = 'nats';
export const formerKeys = Object.keys(successors) as (keyof typeof successors)[];

/** @param origin what has set it @returns a sentence that says what to set instead; undefined where there was no such setting */
export function formerText(key: string, origin: string): string | undefined {
  const former = formerKeys.find((one) => one === key);
  return (
    former &&
    `${origin} was of the engine on NATS, which is gone: set --engine redis and ${successors[former]}.`
  );
}

/** @param origin what has set `engine` */
export function formerEngineText(origin: string): string {
  return `${origin} "${formerEngine}" is gone: set --engine redis and ${successors.nats}, the URL of a Redis server.`;
}
