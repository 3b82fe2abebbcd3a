import { z } from 'zod';
import { problemOfRuleFilter, type Rule, rulesMax } from '../rules.js';

/** Longest that an answer is kept, or that credentials last. */
const secMax = 100 * 365 * 86_400;
const seconds = z.number().min(0).max(secMax);

const rule = z.string().transform((text, context): Rule => {
  const [, permission, action, filter] = /^(allow|deny) (publish|subscribe|all) (.+)$/s.exec(text) ?? [];
  const problem =
    filter === undefined ? 'A rule is "allow subscribe <filter>".' : problemOfRuleFilter(filter);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  return { permission, action, filter } as Rule;
});

/** The body of an answer. Fields that are not here are not looked at. */
const hookAnswer = z.discriminatedUnion('result', [
  z.object({
    result: z.literal('allow'),
    userName: z.string().min(1).max(1024).optional(),
    superuser: z.boolean().default(false),
    rules: z.array(rule).max(rulesMax).default([]),
    /** The connection ends then. */
    expiresInSec: seconds.optional(),
  }),
  z.object({ result: z.literal('deny') }),
  z.object({ result: z.literal('unknown') }),
]);

export type HookAnswer = z.output<typeof hookAnswer>;
export type AllowingAnswer = Extract<HookAnswer, { result: 'allow' }>;

/** The service has answered, and the answer decides nothing. That is about one client: the service is not away. */
export class UnusableAnswerError extends Error {}

/** @throws UnusableAnswerError which says what is wrong, and quotes nothing of the answer but the names of fields */
export function hookAnswerOf(text: string): HookAnswer {
  const parsed = hookAnswer.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new UnusableAnswerError(
    `its answer is none that is known${path.length === 0 ? '' : `, at ${path.join('.')}`}: ${message}`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnusableAnswerError('its answer is not JSON'); // the message of the parser quotes the text
  }
}

/** Reads Cache-Control (RFC 9111 5.2.2). @returns undefined where the header says nothing of how long an answer may be kept */
export function cacheSecOf(cacheControl: string): number | undefined {
  if (/(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])/i.test(cacheControl)) return 0;
  const maxAge = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})/i.exec(cacheControl)?.[1];
  return maxAge === undefined ? undefined : Math.min(Number(maxAge), secMax);
}
