/** Quotes a name or filter with spaces, or with characters that a terminal takes as a command. */
export function shownText(text: string): string {
  return /^[^\p{C}\s"]+$/u.test(text) ? text : JSON.stringify(text);
}
