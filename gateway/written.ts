/** Counts messages written to connections of one kind since the start, each recipient once. */
export class Written {
  messages = 0;
  /** Bytes of payloads, without framing. */
  bytes = 0;

  count(payloadBytes: number): void {
    this.messages++;
    this.bytes += payloadBytes;
  }
}
