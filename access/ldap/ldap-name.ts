/**
 * How a user name gets into the name that an LDAP server is asked for. LDAP compares names without regard to case, to
 * several spaces and to characters that are not seen (RFC 4518), and rules here compare them byte by byte. So a name has one
 * form here: in lower case, with single spaces, and without characters that LDAP leaves out.
 */

const lengthMax = 256;
/** Letters, digits, signs, and single spaces between them. */
const visible = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+(?: [\p{L}\p{M}\p{N}\p{P}\p{S}]+)*$/u;
const ignorable = /\p{Default_Ignorable_Code_Point}/u;

/** @returns undefined for a name that no user has */
export function ldapUserNameOf(given: string): string | undefined {
  if (given.length > lengthMax) return undefined;
  const name = given.normalize('NFKC').toLowerCase();
  return visible.test(name) && !ignorable.test(name) ? name : undefined;
}

/**
 * @param template a DN such as `uid=%u,ou=people,dc=example,dc=com`, in which the name is escaped (RFC 4514 2.4); or what
 * Active Directory takes in its place, such as `%u@example.com`, which has no escapes
 * @returns undefined where the name does not fit in there
 */
export function bindNameOf(template: string, userName: string): string | undefined {
  if (template.includes('=')) return template.replace(/%u/g, () => escapedForDn(userName));
  return /^[\p{L}\p{M}\p{N}._-]+$/u.test(userName) ? template.replace(/%u/g, () => userName) : undefined;
}

/** All but letters, digits and a few signs as bytes in hexadecimal, which each value may have. */
function escapedForDn(name: string): string {
  return name.replace(/[^\p{L}\p{M}\p{N}._@-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}
