import { Subscriber } from './subscriber.js';
import { isSubscriptionOptions } from './subscription-options.js';
import { InvalidIdError, isWellFormed, problemOfId } from './topic.js';
import { InvalidFilterError, problemOfFilter } from './topic-filter.js';

/**
 * Checks the arguments of the router's calls. TypeScript refuses these mistakes at compile time; JavaScript does not,
 * and a wrong value would throw much later, at an unrelated send.
 */

/** An argument of the wrong kind. The message says what was expected and what was given. */
export class InvalidArgumentError extends TypeError {
  readonly code = 'ERR_ENCKE_INVALID_ARGUMENT';

  constructor(wanted: string, got: unknown) {
    super(`${wanted} Got ${describe(got)}.`);
    this.name = 'InvalidArgumentError';
  }
}

export function assertSubscriber(subscriber: unknown): asserts subscriber is Subscriber {
  if (subscriber instanceof Subscriber && typeof subscriber.deliver === 'function') return;
  throw new InvalidArgumentError(
    'A subscriber is an object of a class that extends Subscriber and has a method deliver.',
    subscriber,
  );
}

/** @param mayAdd false where the subscriber is logged in at another router */
export function assertFreeOrHere(subscriber: Subscriber, mayAdd: boolean): void {
  if (mayAdd) return;
  throw new InvalidArgumentError(
    'A subscriber that is logged in at another router logs out there first.',
    subscriber,
  );
}

export function assertText(what: 'An id' | 'A topic filter', text: unknown): asserts text is string {
  if (typeof text !== 'string') throw new InvalidArgumentError(`${what} is a string.`, text);
}

/** @throws InvalidIdError */
export function assertId(id: unknown, bytesMax: number, levelsMax: number): asserts id is string {
  assertText('An id', id);
  const problem = problemOfId(id, bytesMax, levelsMax);
  if (problem !== undefined) throw new InvalidIdError(id, problem);
}

/** @throws InvalidFilterError */
export function assertFilter(filter: unknown, bytesMax: number, levelsMax: number): asserts filter is string {
  assertText('A topic filter', filter);
  const problem = problemOfFilter(filter, bytesMax, levelsMax);
  if (problem !== undefined) throw new InvalidFilterError(filter, problem);
}

/** A bare QoS, or more options. */
export function assertOptions(options: unknown): void {
  if (isSubscriptionOptions(options)) return;
  throw new InvalidArgumentError('A QoS is 0, 1 or 2.', options);
}

/**
 * @returns the bytes of a payload; text as UTF-8
 * @throws RangeError where the text has half of a surrogate pair, which UTF-8 cannot carry
 */
export function payloadOf(data: unknown): Uint8Array {
  if (typeof data === 'string' && !isWellFormed(data))
    throw new RangeError('The text has half of a surrogate pair: mend it, or send its bytes.');
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  throw new InvalidArgumentError('A payload is a string or a Uint8Array.', data);
}

/** @throws RangeError for NaN, fractions and negative numbers */
export function assertLimit(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new RangeError(`${name} must be a whole number, 0 or more, not ${describe(value)}.`);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean') return `${typeof value} ${value}`;
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  if (typeof value === 'object') return `an object of the class ${value.constructor?.name ?? 'null'}`;
  return `a ${typeof value}`;
}
