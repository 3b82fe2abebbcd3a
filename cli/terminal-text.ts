/**
 * Replaces the control characters of a text that others have written, such as a client id or a message: they could
 * change what a terminal shows, its title, or the clipboard.
 */
export function terminalText(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** Does the same for a text that may have several lines, and tabs. */
export function terminalLines(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}
