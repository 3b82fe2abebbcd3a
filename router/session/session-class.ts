import { Session } from './session.js';
import type { SessionContext } from './session-context.js';

export type SessionClass = new (clientId: string, endsWithConnection: boolean) => Session;

/** A class for one registry's sessions, so that shared parts are not fields of each (8 bytes). */
export function sessionClass(context: SessionContext): SessionClass {
  return class extends Session {
    override get sessions(): SessionContext {
      return context;
    }
  };
}
