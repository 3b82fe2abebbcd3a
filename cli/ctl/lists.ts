import type { AdminClient } from './admin-client.js';
import { queryOf } from './admin-client.js';

/** One request asks for at most so many entries. */
const pageSize = 1_000;

/** The entries of a list, from all of its pages. */
export interface Listed {
  // biome-ignore lint/suspicious/noExplicitAny: the shapes are in the OpenAPI document
  readonly entries: any[];
  /** There are more than were asked for. */
  readonly more: boolean;
  readonly unanswered: readonly string[];
}

/** Reads a list page by page. @param room `clients` or `sessions` @param limit the number of entries at most */
export async function listAll(
  client: AdminClient,
  room: 'clients' | 'sessions',
  filter: Record<string, string | boolean | undefined>,
  limit: number,
): Promise<Listed> {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const entries: any[] = [];
  const unanswered = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await client.request(
      'GET',
      queryOf(room, { ...filter, limit: Math.min(pageSize, limit - entries.length), cursor }),
    );
    entries.push(...page[room]);
    for (const name of page.unanswered) unanswered.add(name);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && entries.length < limit);
  return { entries: entries.slice(0, limit), more: cursor !== undefined, unanswered: [...unanswered] };
}
