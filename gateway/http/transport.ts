import type { Message } from '../../router/message.js';

/**
 * A flavour of stream: what its bytes look like. Knows nothing of sockets; one instance serves all its streams.
 */
export interface Transport {
  readonly name: 'http-chunked' | 'ndjson';
  readonly contentType: string;
  /** What a stream starts with, after the headers; not empty. */
  greeting(ids: readonly string[]): string;
  /**
   * The message as one piece of body, without its closing newline (which the write path adds, so that the
   * newline can be a chunk of its own).
   * @param count which message of this stream it is, from 1
   * @param lead starts with the newline that the piece before it is still owed
   * @returns bytes that are valid until the next call for the same message
   */
  chunk(message: Message, count: number, lead: boolean): Uint8Array;
  /** Says in the stream that `count` messages were lost at this place. Starts with a newline if `lead`. */
  lost(count: number, lead: boolean): Uint8Array;
}
