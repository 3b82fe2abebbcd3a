/** The unacknowledged messages of a connection by packet id, with the times when each was due and sent. */
export class SendWindow {
  /** By packet id minus 1; the ids that are free lie on a stack. */
  readonly #dueMs: Float64Array;
  readonly #sentMs: Float64Array;
  readonly #taken: Uint8Array;
  #freeIds: number[];

  constructor(messagesMax: number) {
    this.#dueMs = new Float64Array(messagesMax);
    this.#sentMs = new Float64Array(messagesMax);
    this.#taken = new Uint8Array(messagesMax);
    this.#freeIds = freeIds(messagesMax);
  }

  get hasRoom(): boolean {
    return this.#freeIds.length > 0;
  }

  get messages(): number {
    return this.#taken.length - this.#freeIds.length;
  }

  /** There is room. @returns its packet id */
  take(dueMs: number, nowMs: number): number {
    const packetId = this.#freeIds.pop()!;
    this.#taken[packetId - 1] = 1;
    this.#dueMs[packetId - 1] = dueMs;
    this.#sentMs[packetId - 1] = nowMs;
    return packetId;
  }

  each(visit: (dueMs: number, sentMs: number) => void): void {
    for (let i = 0; i < this.#taken.length; i++) {
      if (this.#taken[i] === 1) visit(this.#dueMs[i]!, this.#sentMs[i]!);
    }
  }

  has(packetId: number): boolean {
    return this.#taken[packetId - 1] === 1;
  }

  dueMs(packetId: number): number {
    return this.#dueMs[packetId - 1]!;
  }

  sentMs(packetId: number): number {
    return this.#sentMs[packetId - 1]!;
  }

  /** The message is acknowledged. Its times remain until its id is taken again. */
  release(packetId: number): void {
    this.#taken[packetId - 1] = 0;
    this.#freeIds.push(packetId);
  }

  clear(): void {
    this.#taken.fill(0);
    this.#freeIds = freeIds(this.#taken.length);
  }
}

/** The lowest on top. */
function freeIds(count: number): number[] {
  return Array.from({ length: count }, (_, i) => count - i);
}
