import { RequestError } from '../answer.js';
import type { ClientsFilter, ClientsStep } from '../node/connection-list.js';
import type { ClientEntry, SessionEntry } from '../node/entries.js';
import type { Operations } from '../node/node-operations.js';
import type { NodeQuestions } from '../node/questions.js';
import type { SessionsFilter } from '../node/session-list.js';

/** One request walks for so long at most, and then answers with the entries that it has. */
const walkMs = 2_000;

/** The places where a list goes on, by node. A node that is missing has come to the end of its list. */
type Places<Place> = Record<string, Place>;

export interface Page<Entry> {
  readonly entries: Entry[];
  /** The cursor of the next page; undefined at the end. Where few entries match, an empty page may have a next one. */
  readonly next: string | undefined;
  readonly unanswered: readonly string[];
}

/** Lists over all nodes, page by page: asks for a step of each node, again and again, until the page is full. */
export class Pages {
  readonly #questions: NodeQuestions;

  constructor(questions: NodeQuestions) {
    this.#questions = questions;
  }

  /** @throws RequestError */
  clients(filter: ClientsFilter, limit: number, cursor: string | undefined): Promise<Page<ClientEntry>> {
    return this.#walk<ClientEntry, number>('clients', filter, limit, cursor, (reply) => {
      const { clients, next } = reply as ClientsStep;
      return { entries: clients, next };
    });
  }

  /** @throws RequestError */
  sessions(filter: SessionsFilter, limit: number, cursor: string | undefined): Promise<Page<SessionEntry>> {
    return this.#walk<SessionEntry, string>('sessions', filter, limit, cursor, (reply) => {
      const step = reply as Operations['sessions']['reply'];
      if ('forgotten' in step)
        throw new RequestError(410, 'This cursor was not used for too long: begin anew, without one.');
      return step;
    });
  }

  async #walk<Entry, Place>(
    about: 'clients' | 'sessions',
    filter: object,
    limit: number,
    cursor: string | undefined,
    stepOf: (reply: unknown) => { entries: Entry[]; next: Place | undefined },
  ): Promise<Page<Entry>> {
    const untilMs = performance.now() + walkMs;
    const entries: Entry[] = [];
    const silent = new Set<string>();
    let from: Places<Place> = cursor === undefined ? {} : placesIn(cursor);
    let nodes = cursor === undefined ? this.#questions.names : Object.keys(from);
    while (nodes.length > 0 && entries.length < limit && performance.now() < untilMs) {
      const most = Math.max(1, Math.ceil((limit - entries.length) / nodes.length));
      const { replies, unanswered } = await this.#questions.ask<unknown>({
        about,
        nodes,
        details: { filter, from, most },
      });
      for (const name of unanswered) silent.add(name);
      from = {};
      for (const [name, reply] of replies) {
        const step = stepOf(reply);
        entries.push(...step.entries);
        if (step.next !== undefined) from[name] = step.next;
      }
      nodes = Object.keys(from);
    }
    return { entries, next: nodes.length === 0 ? undefined : cursorOf(from), unanswered: [...silent] };
  }
}

function cursorOf(places: Places<unknown>): string {
  return Buffer.from(JSON.stringify(places)).toString('base64url');
}

/** @throws RequestError */
function placesIn<Place>(cursor: string): Places<Place> {
  try {
    const places: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (typeof places === 'object' && places !== null && !Array.isArray(places))
      return places as Places<Place>;
  } catch {
    // The text is no JSON: it is refused below.
  }
  throw new RequestError(400, 'This is no cursor: give the "next" of the page before, or none.');
}
