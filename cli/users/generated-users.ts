import type { ImportedUser } from './import-record.js';

export interface GeneratedUsersPlan {
  readonly count: number;
  /** The name of each user; `{n}` in it is the number of the user, from 1. */
  readonly userNames: string;
  /** The filter of each rule; `{n}` in it is the number of the user, `{m}` that of the rule, from 1. */
  readonly topics: string;
  readonly rulesEach: number;
  /** The password of all users; undefined where the name of each user is its password. */
  readonly password: string | undefined;
}

/** Makes the users of a test: `device_user1` may read and publish `topic/device_user1/t_1`, as a device of floodtest. */
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
