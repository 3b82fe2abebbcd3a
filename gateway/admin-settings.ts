import { z } from 'zod';
import { port, type Setting, setting, text, wholeNumber } from './setting.js';

/** Settings of the operator's listener, their defaults, units and reasons. */

const uses = ['auto', 'true', 'false'] as const;

/** A JSON file may have the bare words true and false. */
const use = {
  schema: z.preprocess((value) => (typeof value === 'boolean' ? String(value) : value), z.enum(uses)),
  expects: `one of ${uses.join(', ')}`,
};

export const adminSettings = {
  admin: setting(
    use,
    'auto',
    "the operator's listener: /health, /ready, /metrics, /stats and the admin API; auto = without it where its port is taken, unless --admin-port or --admin-host is set",
  ),
  adminHost: setting(
    text('an address', /\S/),
    '127.0.0.1',
    "address of the operator's listener; anything but loopback needs --admin-token, --api-token or --auth",
  ),
  adminPort: setting(port, 8002, "port of the operator's listener; 0 takes a free one"),
  // Prometheus, a load balancer, a dashboard and a few people; a browser takes 6.
  adminSocketsMax: setting(
    wholeNumber(8, 4096),
    64,
    "sockets of the operator's listener; past it new ones are closed at once",
  ),
  adminToken: {
    ...setting(
      text('at least 16 printable characters without spaces', /^$|^[\x21-\x7e]{16,}$/),
      '',
      'when set, all but /health and /ready wants "Authorization: Bearer <token>"; without it, the token of --api-token counts',
    ),
    secret: true,
  },
  adminTokenFile: setting(text('the path of a file', /^/), '', 'file that holds the token of --admin-token'),
} satisfies Record<string, Setting>;
