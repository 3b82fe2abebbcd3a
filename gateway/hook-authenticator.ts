import type { Authenticator } from '../access/authenticator.js';
import { HookUsers } from '../access/http-hook/hook-users.js';
import type { AuthenticatorParts } from './authenticator-parts.js';
import { ConfigError } from './config-error.js';
import { tokenFrom } from './token-file.js';

/** The service of --auth-http. @throws ConfigError where its token cannot be read */
export function hookUsersOf({ config, cache, log }: AuthenticatorParts): Authenticator {
  const failsOpen = config.authHttpUnavailable === 'allow';
  const meanwhile = failsOpen
    ? 'new clients are let in without a name, and may do what --acl-rules allow to all'
    : 'new clients are answered 503 or CONNACK 3';
  return new HookUsers({
    url: config.authHttp,
    token: config.authHttpTokenFile === '' ? '' : tokenIn(config.authHttpTokenFile),
    timeoutMs: config.authHttpTimeoutMs,
    connectionsMax: config.authHttpConnectionsMax,
    cache,
    failsOpen,
    sharePerAddress: config.budgetSharePerAddress,
    onTrouble: (error) =>
      log.warn(
        'auth-http',
        { url: config.authHttp, detail: detailOf(error) },
        `the service of --auth-http cannot be asked: look whether it runs and what it logs. Meanwhile ${meanwhile}`,
      ),
    onUnusableAnswer: ({ message }) =>
      log.warn(
        'auth-http-answer',
        { url: config.authHttp, detail: message },
        'the service of --auth-http has not decided about a client, which is answered 503 or CONNACK 3: look what the service logs. It answers 200 and JSON, also for "deny" and "unknown"',
      ),
  });
}

function tokenIn(path: string): string {
  const read = tokenFrom('--auth-http-token-file', path);
  if ('problem' in read) throw new ConfigError(read.problem);
  return read.token;
}

/** A host with several addresses fails with one error for each, and no message of its own. */
function detailOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || String(code);
}
