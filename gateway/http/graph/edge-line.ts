import type { EdgeChange } from '../../../router/graph/shared-graph.js';
import { objectInLine } from '../body-lines.js';
import { checkId, type IdLimits, type Parsed } from '../request.js';

interface Fields {
  readonly subscriber?: unknown;
  readonly subscribee?: unknown;
  readonly remove?: unknown;
}

/** Reads a line of `POST /graph`: `{"subscriber","subscribee"}`, with `"remove":true` where the edge is to go. */
export function edgeFromJson(text: string, limits: IdLimits): Parsed<EdgeChange> {
  const object = objectInLine(text, '{"subscriber","subscribee"}');
  if (!object.ok) return object;
  const { subscriber, subscribee, remove = false } = object.value as Fields;
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
