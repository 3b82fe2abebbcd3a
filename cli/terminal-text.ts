/**
 * Text of others, such as a client id or a message, for somebody's terminal: its control characters could change what
 * stands there, the title, or the clipboard.
 */
export function terminalText(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** The same of a text that may have several lines. */
export function terminalLines(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}
