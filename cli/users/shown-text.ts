/** Names and filters may hold anything, also what a terminal takes as a command, and spaces. */
export function shownText(text: string): string {
  return /^[^\p{C}\s"]+$/u.test(text) ? text : JSON.stringify(text);
}
