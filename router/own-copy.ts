/**
 * Copies for things that are kept for long, so that they own their memory: a slice of 20 bytes keeps all of what it was cut from alive, be that Node's
 * 8 KB pool, a whole frame, or a request line.
 */

/** V8 keeps typed arrays up to this size inside its heap; asking one for its `buffer` would move it out. */
const heapArrayBytesMax = 64;
/** Bytes around a payload (its packet's head) that cost less than copying it. */
const slackBytesMax = 64;
/** Shorter substrings are copies already; a longer one refers to its parent. */
const slicedLengthMin = 13;

/** The same bytes, alone in their memory. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= heapArrayBytesMax) return new Uint8Array(bytes);
  return bytes.buffer.byteLength - bytes.length <= slackBytesMax ? bytes : new Uint8Array(bytes);
}

/** The same well-formed text, alone in its memory. */
export function ownText(text: string): string {
  return text.length < slicedLengthMin ? text : Buffer.from(text).toString();
}
