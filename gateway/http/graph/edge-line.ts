import { checkId, type IdLimits, type Parsed } from '../request.js';

/** A line of `POST /graph`: `{"subscriber","subscribee"}`, with `"remove":true` where the edge is to go. */
export interface EdgeLine {
  readonly subscriber: string;
  readonly subscribee: string;
  readonly remove: boolean;
}

interface Fields {
  readonly subscriber?: unknown;
  readonly subscribee?: unknown;
  readonly remove?: unknown;
}

export function edgeFromJson(text: string, limits: IdLimits): Parsed<EdgeLine> {
  let fields: Fields | null;
  try {
    fields = JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text) as Fields | null;
  } catch {
    return { ok: false, problem: 'This line is not JSON.' };
  }
  if (typeof fields !== 'object' || fields === null)
    return { ok: false, problem: 'A line is an object {"subscriber","subscribee"}.' };
  const { subscriber, subscribee, remove = false } = fields;
  if (typeof subscriber !== 'string' || typeof subscribee !== 'string')
    return { ok: false, problem: '"subscriber" and "subscribee" are strings.' };
  if (typeof remove !== 'boolean') return { ok: false, problem: '"remove" is true or false.' };
  for (const [name, id] of [
    ['subscriber', subscriber],
    ['subscribee', subscribee],
  ] as const) {
    const checked = checkId(id, limits);
    if (!checked.ok) return { ok: false, problem: `"${name}": ${checked.problem}` };
  }
  return { ok: true, value: { subscriber, subscribee, remove } };
}
