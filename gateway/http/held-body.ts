import type { HttpResponse } from 'uWebSockets.js';
import { chunkDiscarded, chunksEnded } from './chunked-body.js';

type BodyReader = (data: ArrayBuffer, isLast: boolean) => void;

/** Cost of a chunk besides its bytes: a client may send one byte at a time. */
const chunkBytes = 160;

/**
 * The body of a request whose route is entered later: it is kept, within the limit for all that wait, and given to the
 * route's reader as uWS would give it.
 */
export class HeldBody {
  readonly #response: HttpResponse;
  readonly #keep: (bytes: number) => boolean;
  readonly #onNoRoom: () => void;
  #chunks: ArrayBuffer[] = [];
  #state: 'held' | 'read' | 'discarded' = 'held';
  #ended = false;
  #discardedBytes = 0;

  /**
   * In the route handler only.
   * @param keep whether there is room for so many bytes more
   * @param onNoRoom answers the request; the rest of its body is read and thrown away
   */
  constructor(response: HttpResponse, keep: (bytes: number) => boolean, onNoRoom: () => void) {
    this.#response = response;
    this.#keep = keep;
    this.#onNoRoom = onNoRoom;
    response.onData((data, isLast) => this.#take(data, isLast));
  }

  /** @param enter the route, or an answer; where it asks for the body it gets what has come, and then the rest */
  release(enter: () => void): void {
    const response = this.#response;
    const { onData } = response;
    response.onData = (reader: BodyReader) => {
      response.onData = onData;
      this.#state = 'read';
      response.onData(reader);
      this.#replay(reader);
      return response;
    };
    enter();
    response.onData = onData;
    if (this.#state === 'held') this.#discard();
  }

  #take(data: ArrayBuffer, isLast: boolean): void {
    this.#ended ||= isLast;
    if (this.#state === 'discarded') {
      this.#discardedBytes += data.byteLength;
      return chunkDiscarded(this.#response, this.#discardedBytes, isLast);
    }
    if (data.byteLength > 0) {
      if (!this.#keep(data.byteLength + chunkBytes)) {
        this.#onNoRoom();
        return this.#discard();
      }
      this.#chunks.push(data.slice(0)); // uWS takes the memory back on return
    }
  }

  #replay(reader: BodyReader): void {
    const chunks = this.#chunks;
    this.#chunks = [];
    if (chunks.length === 0 && this.#ended) chunks.push(new ArrayBuffer(0));
    for (const [index, chunk] of chunks.entries()) reader(chunk, this.#ended && index === chunks.length - 1);
  }

  /** The request has been answered without it. */
  #discard(): void {
    this.#state = 'discarded';
    this.#chunks = [];
    if (this.#ended && this.#response.awaitsChunks === true) chunksEnded(this.#response);
  }
}
