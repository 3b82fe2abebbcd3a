/** Whether a character of a quoted text is escaped: an odd number of backslashes stands before it. */
export function isEscaped(text: string, at: number): boolean {
  let from = at;
  while (from > 0 && text[from - 1] === '\\') from--;
  return (at - from) % 2 === 1;
}
