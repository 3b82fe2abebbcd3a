import { randomBytes } from 'node:crypto';
import type { Stream } from './stream.js';

/** 144 bits, which nobody guesses. */
const secretBytes = 18;

/**
 * The handles under which clients give their streams other credentials: `POST /refresh?stream=<handle>`. A stream has one
 * from the notice on that its credentials end, until it is refreshed or has ended; others cost nothing. It names the node
 * that has the stream, as the request may come to another one.
 *
 *     1kx3f07vaq.pQ3…  run of the node, and a secret that only this stream was told
 */
export class StreamHandles {
  readonly #run: string;
  readonly #streams = new Map<string, Stream>();
  readonly #handleOfSlot = new Map<number, string>();

  /** @param run of this node; 0 = the only one */
  constructor(run: number) {
    this.#run = run.toString(36);
  }

  /** A new handle, in the place of the one that the stream had. */
  begin(stream: Stream): string {
    this.release(stream.slot);
    const handle = `${this.#run}.${randomBytes(secretBytes).toString('base64url')}`;
    this.#streams.set(handle, stream);
    this.#handleOfSlot.set(stream.slot, handle);
    return handle;
  }

  find(handle: string): Stream | undefined {
    return this.#streams.get(handle);
  }

  /** It is refreshed, or has ended. A second call does nothing. */
  release(slot: number): void {
    if (this.#handleOfSlot.size === 0) return;
    const handle = this.#handleOfSlot.get(slot);
    if (handle === undefined) return;
    this.#handleOfSlot.delete(slot);
    this.#streams.delete(handle);
  }
}

const handleShape = /^([0-9a-z]{1,16})\.[\w-]{24}$/;

/** @returns false for what is no handle of that run of a node */
export function isHandleOf(run: number, handle: string): boolean {
  return handleShape.exec(handle)?.[1] === run.toString(36);
}
