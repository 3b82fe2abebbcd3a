import type { HttpRequest } from 'uWebSockets.js';
import type { Kicked, KickedNames, Kicks } from '../cluster/kicks.js';
import type { Config } from '../config.js';
import { answerJson, whenKnown } from './answer.js';
import type { ApiGuard, ApiHandler } from './api-guard.js';
import { checkId, type Parsed } from './request.js';

/** Most names in one call: each is compared with each connection. */
const namesMax = 100;

const forbidden = 'Only superusers, and callers with --api-token, end connections of others.';

/** `POST /kick?user=…&client=…&id=…`: ends connections, on all nodes. */
export class KickEndpoint {
  readonly #kicks: Kicks;
  readonly #config: Config;
  readonly #guard: ApiGuard;

  constructor(kicks: Kicks, config: Config, guard: ApiGuard) {
    this.#kicks = kicks;
    this.#config = config;
    this.#guard = guard;
  }

  readonly handle: ApiHandler = (response, request, _head, cors, caller) => {
    if (!caller.isSuperuser) return this.#guard.forbid(response, cors, forbidden);
    const names = this.#namesIn(request);
    if (!names.ok) return this.#guard.refuse(response, cors, names.problem);
    whenKnown<Kicked>(
      response,
      (onKicked) => void this.#kicks.kick(names.value, onKicked),
      (kicked) => answerJson(response, '200 OK', kicked, cors),
    );
  };

  #namesIn(request: HttpRequest): Parsed<KickedNames> {
    const parameters = new URLSearchParams(request.getQuery() ?? '');
    const given = (name: string) => parameters.getAll(name).filter((value) => value !== '');
    const names = { users: given('user'), clientIds: given('client'), ids: given('id') };
    const count = names.users.length + names.clientIds.length + names.ids.length;
    if (count === 0)
      return {
        ok: false,
        problem: 'Say whose connections: /kick?user=<name>, ?client=<client id> or ?id=<id>.',
      };
    if (count > namesMax)
      return { ok: false, problem: `At most ${namesMax} names in one call: make several calls.` };
    for (const id of names.ids) {
      const checked = checkId(id, this.#config);
      if (!checked.ok) return checked;
    }
    return { ok: true, value: names };
  }
}
