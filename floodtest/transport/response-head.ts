/** Parses the head of an HTTP/1.1 response: status and length. */

export const HEAD_BYTES_MAX = 64 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const HTTP = Buffer.from('HTTP/1.');

/** @returns its length; 0 while it is incomplete; undefined if it is no HTTP head */
export function headLength(bytes: Buffer, from: number, end: number): number | undefined {
  for (let i = 0; i < HTTP.length && from + i < end; i++) if (bytes[from + i] !== HTTP[i]) return undefined;
  const emptyLine = bytes.indexOf(HEAD_END, from);
  const headEnd = emptyLine + HEAD_END.length;
  return emptyLine < 0 || headEnd > end ? 0 : headEnd - from;
}

export function statusOf(head: string): string {
  return head.slice(9, 12);
}

/** 100 and 103 come before the response. 101 does not: floodtest asks for no upgrade here. */
export function isInterim(status: string): boolean {
  return status.startsWith('1') && status !== '101';
}

export function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`\r\n${name}:[ \t]*([^\r]*?)[ \t]*\r\n`, 'i').exec(head)?.[1];
}
