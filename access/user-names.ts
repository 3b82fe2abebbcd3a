import { isAmbiguous, type NamesInKey } from './key-template.js';

/**
 * No system has longer user names. Without a limit on that of CONNECT, one of 64 KB would go to Redis from clients that nobody
 * knows yet.
 */
export const userNameBytesMax = 1_024;

/** Says what keeps these names from being those of a user that can log in, or undefined. */
export function problemOfNames(templates: readonly string[], names: NamesInKey): string | undefined {
  for (const [what, name] of [
    ['A user name', names.userName],
    ['A client id', names.clientId],
  ] as const) {
    if (name === undefined) continue;
    if (name === '') return `${what} has at least one character.`;
    if (Buffer.byteLength(name) > userNameBytesMax) return `${what} has at most ${userNameBytesMax} bytes.`;
    if (name.includes('\0')) return `${what} has no NUL character.`; // [MQTT-1.5.3-2]
    if (/\p{Surrogate}/u.test(name)) return `${what} is text in UTF-8.`;
  }
  const template = templates.find((one) => isAmbiguous(one, names));
  if (template === undefined) return undefined;
  return `These names could stand for others in a key such as ${template}, as one of them has what separates the two there: choose names without it.`;
}

/** Says what a user with these names cannot do, and why. */
export function warningsOfNames({ userName, clientId }: NamesInKey): string[] {
  const warnings: string[] = [];
  for (const [placeholder, name] of [
    ['%u', userName],
    ['%c', clientId],
  ] as const) {
    const [found] = /[/+#]/.exec(name ?? '') ?? [];
    if (found !== undefined)
      warnings.push(
        `rules with ${placeholder} allow nothing to ${JSON.stringify(name)}, as it has ${found} in it.`,
      );
  }
  if (userName?.includes(':'))
    warnings.push(
      `${JSON.stringify(userName)} cannot log in with a password over HTTP, where a colon ends the user name.`, // RFC 7617 2
    );
  return warnings;
}
