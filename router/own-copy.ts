/**
 * Copies of things that are kept for long, so that they own their memory: a slice of 20 bytes keeps its whole parent
 * alive, such as Node's 8 KB pool, a frame, or a request line.
 */

/** V8 keeps typed arrays up to this size inside its heap; asking one for its `buffer` would move it out. */
const heapArrayBytesMax = 64;
/** Most bytes around a payload (the head of its packet) that cost less than a copy. */
const slackBytesMax = 64;
/** V8 copies shorter substrings; a longer one refers to its parent. */
const slicedLengthMin = 13;

/** The same bytes in memory of their own. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= heapArrayBytesMax) return new Uint8Array(bytes);
  return bytes.buffer.byteLength - bytes.length <= slackBytesMax ? bytes : new Uint8Array(bytes);
}

/** The same well-formed text in memory of its own. */
export function ownText(text: string): string {
  return text.length < slicedLengthMin ? text : Buffer.from(text).toString();
}
