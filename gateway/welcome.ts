import type { Config } from './config.js';
import type { NodeRole } from './role.js';

interface Urls {
  /** Undefined if its role takes no connections. */
  readonly url: string | undefined;
  readonly apiUrl: string;
  /** Undefined if the operator's listener is off, or another program has its port. */
  readonly adminUrl: string | undefined;
}

/** The first lines for a newcomer: URLs and commands to try. */
export function welcome({ url, apiUrl, adminUrl }: Urls, config: Config, role: NodeRole): string {
  const { apiToken, name } = config;
  const admin = adminUrl === undefined ? '' : `\n    operators   ${adminUrl}`;
  const token = apiToken === '' ? '' : `-H 'Authorization: Bearer <token>' `;
  if (role === 'gateway')
    return `
  Encke's gateway is up.

    gateway     ${url}
    probes      ${apiUrl}${admin}

  Send through a router of "${name}", for instance one that is started with "encke router".

`;
  if (role === 'router')
    return `
  Encke's router is up.

    router API  ${apiUrl}${admin}
    on Redis    FCALL ${name}_send 1 <id> <message>

  Try:

    curl ${token}-d 'Hello World' ${apiUrl}/send/123

`;
  return `
  Encke is up.

    gateway     ${url}
    router API  ${apiUrl}${admin}

  Open  ${url}/test/123  in a browser, and then try:

    curl ${token}-d 'Hello World' ${apiUrl}/send/123
${forgottenText(config)}
`;
}

/** Says how to keep what a restart forgets; nothing where the engine keeps it. */
function forgottenText({ engine, data }: Config): string {
  if (engine !== 'embedded' || data !== '') return '';
  return `
  A restart forgets history, and retained messages, MQTT sessions and the friends graph: --data <directory> keeps
  these three.
`;
}
