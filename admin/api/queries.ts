import type { z } from 'zod';
import { RequestError } from '../answer.js';

/** @throws RequestError that names the parameter */
export function readQuery<Shape extends z.ZodObject>(shape: Shape, query: URLSearchParams): z.output<Shape> {
  const given = Object.fromEntries(query);
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(shape.shape, name));
  if (unknown !== undefined) {
    const known = Object.keys(shape.shape).join(', ');
    throw new RequestError(400, `There is no parameter ${unknown.slice(0, 80)} here: ${known}.`);
  }
  return read(shape, given);
}

/** @throws RequestError that names the member */
export function readBody<Shape extends z.ZodObject>(shape: Shape, body: unknown): z.output<Shape> {
  return read(shape.strict() as unknown as Shape, body);
}

function read<Shape extends z.ZodObject>(shape: Shape, value: unknown): z.output<Shape> {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new RequestError(400, `${path.length === 0 ? 'The body' : path.join('.')}: ${message}.`);
}
