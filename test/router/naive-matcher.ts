/** Matching by the words of section 4.7 as a regular expression: slow, and written by another road than the tree. */
export function naiveMatch(filter: string, id: string): boolean {
  if (/^[+#]/.test(filter) && id.startsWith('$')) return false;
  const pattern = filter
    .split('/')
    .map((level) => (level === '+' ? '[^/]*' : level.replace(/[^a-z0-9]/gi, '\\$&')))
    .join('/')
    .replace(/^\\#$/, '[\\s\\S]*')
    .replace(/\/\\#$/, '(?:/[\\s\\S]*)?');
  return new RegExp(`^${pattern}$`).test(id);
}
