import type { ImportedUser } from './import-record.js';

export interface GeneratedUsersPlan {
  readonly count: number;
  /** With `{n}`, the number of the user from 1. */
  readonly userNames: string;
  /** With `{n}` and `{m}`, the number of the rule from 1. */
  readonly topics: string;
  readonly rulesEach: number;
  /** Undefined: the name of each is its password. */
  readonly password: string | undefined;
}

/** The users of a test: `device_user1` may read and publish `topic/device_user1/t_1` and so on, as the devices of floodtest do. */
export function generatedUser(
  { userNames, topics, rulesEach, password }: GeneratedUsersPlan,
  n: number,
): ImportedUser {
  const userName = userNames.replaceAll('{n}', String(n));
  const topic = topics.replaceAll('{n}', String(n));
  const rules = new Map<string, 3>();
  for (let m = 1; m <= rulesEach; m++) rules.set(topic.replaceAll('{m}', String(m)), 3);
  return {
    names: { userName },
    password: password ?? userName,
    stored: undefined,
    isSuperuser: false,
    rules,
  };
}
