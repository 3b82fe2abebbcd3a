import type { HttpRequest } from 'uWebSockets.js';
import { type IdProblem, idProblemText, problemOfId } from '../../router/topic.js';
import type { Config } from '../config.js';
import { hasControlCharacter } from '../control-characters.js';
import { isServerTopic } from '../server-topic.js';

/** Reads ids out of request lines. Bad input comes back as a sentence, never as an exception. */

/** What this server takes for an id. */
export type IdLimits = Pick<Config, 'idBytesMax' | 'topicLevelsMax' | 'allowControlCharacters'>;

export type Parsed<T> = { ok: true; value: T } | { ok: false; problem: string };

/** The id that is the rest of the path behind `prefix`, percent-decoded; slashes are part of it. */
export function idsFromPath(request: HttpRequest, prefix: string, limits: IdLimits): Parsed<string[]> {
  const id = idFromPath(request, prefix, limits);
  return id.ok ? { ok: true, value: [id.value] } : id;
}

export function idFromPath(request: HttpRequest, prefix: string, limits: IdLimits): Parsed<string> {
  return checkId(percentDecode(request.getUrl(), prefix.length), limits);
}

export function recipientFromPath(request: HttpRequest, prefix: string, limits: IdLimits): Parsed<string> {
  return checkRecipient(percentDecode(request.getUrl(), prefix.length), limits);
}

/** All `id` parameters of the query, in order, each once. */
export function idsFromQuery(request: HttpRequest, path: string, limits: IdLimits): Parsed<string[]> {
  const ids = new Set<string>();
  for (const pair of (request.getQuery() ?? '').split('&')) {
    if (!pair.startsWith('id=')) continue;
    const id = checkId(percentDecode(pair.replaceAll('+', ' '), 'id='.length), limits);
    if (!id.ok) return id;
    ids.add(id.value);
  }
  if (ids.size === 0) return { ok: false, problem: `Say which: ${path}/<id> or ${path}?id=<id>&id=<id>.` };
  return { ok: true, value: [...ids] };
}

export function checkId(id: string | undefined, limits: IdLimits): Parsed<string> {
  if (id === undefined) return { ok: false, problem: 'The percent-encoding is broken.' };
  const problem = problemOfId(id, limits.idBytesMax, limits.topicLevelsMax);
  if (problem === undefined) {
    if (limits.allowControlCharacters || !hasControlCharacter(id)) return { ok: true, value: id };
    return { ok: false, problem: 'The id has a control character, which this server refuses.' };
  }
  return { ok: false, problem: `${idProblemText[problem]}${limitText(problem, limits)}` };
}

/** An id that somebody wants to send to. */
export function checkRecipient(id: string | undefined, limits: IdLimits): Parsed<string> {
  const checked = checkId(id, limits);
  if (!checked.ok || !isServerTopic(checked.value)) return checked;
  return { ok: false, problem: 'Only the server itself sends to $SYS and what is under it.' };
}

function limitText(problem: IdProblem, { idBytesMax, topicLevelsMax }: IdLimits): string {
  if (problem === 'too-long') return ` (${idBytesMax} bytes)`;
  return problem === 'too-many-levels' ? ` (${topicLevelsMax})` : '';
}

/** uWS has put U+FFFD where the request line was not UTF-8; who means that very character percent-encodes it. */
function percentDecode(text: string, from: number): string | undefined {
  if (text.includes('\ufffd')) return undefined;
  if (text.indexOf('%', from) === -1) return text.slice(from);
  try {
    return decodeURIComponent(text.slice(from));
  } catch {
    return undefined;
  }
}
