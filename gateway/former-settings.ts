/** Settings of the engine on NATS, which the engine on Redis has replaced, and their successors. */
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

const formerEngine = 'nats';
export const formerKeys = Object.keys(successors) as (keyof typeof successors)[];

/**
 * @param origin the source of the setting
 * @returns a sentence that says what to set instead; undefined for other keys
 */
export function formerText(key: string, origin: string): string | undefined {
  const former = formerKeys.find((one) => one === key);
  return (
    former &&
    `${origin} was of the engine on NATS, which is gone: set --engine redis and ${successors[former]}.`
  );
}

/** The mistake of a value of `engine`. */
export function formerEngineMistake(value: unknown): string | undefined {
  if (value !== formerEngine) return undefined;
  return `"${formerEngine}" is gone: set --engine redis and ${successors.nats}, the URL of a Redis server.`;
}
